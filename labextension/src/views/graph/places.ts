/**
 * Owns the geometry of places: columns of boxes, free gaps in them, rectangles around them. Pure; `layout.ts` decides.
 */
import { TOKENS } from '../tokens';

const SHAPE = TOKENS.shape;

export interface LayoutBox {
  readonly id: string;
  /** The cell that it stands in, and the actor whose lane it stands in. */
  readonly block: string;
  readonly lane: string | null;
  readonly width: number;
  readonly height: number;
}

export interface LayoutEdge {
  readonly source: string;
  readonly target: string;
}

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Place {
  box: LayoutBox;
  layer: number;
  column: number;
  /** Top edge that the box was given; a box above that grows pushes it down only for as long as it is large. */
  homeY: number;
}

/** Columns of places by block, layer and index, built once an update. */
export class Columns {
  private readonly byBlock = new Map<string, Map<number, Place[][]>>();

  add(place: Place): void {
    const ofLayer = this.of(place.box.block, place.layer);
    while (ofLayer.length <= place.column) {
      ofLayer.push([]);
    }
    ofLayer[place.column]?.push(place);
  }

  of(block: string, layer: number): Place[][] {
    const layers = this.byBlock.get(block) ?? new Map<number, Place[][]>();
    this.byBlock.set(block, layers);
    const ofLayer = layers.get(layer) ?? [];
    layers.set(layer, ofLayer);
    return ofLayer;
  }

  layersOf(block: string): Place[][][] {
    const layers = [...(this.byBlock.get(block) ?? [])].sort((a, b) => a[0] - b[0]);
    return layers.map(([, ofLayer]) => ofLayer.filter(places => places.length > 0)).filter(l => l.length > 0);
  }
}

/** Sets the rectangles of one column at `x` and returns its width. */
export function stack(places: readonly Place[], x: number, rects: Map<string, Rect>): number {
  const width = Math.max(...places.map(place => place.box.width));
  let free = -Infinity;
  for (const place of [...places].sort((a, b) => a.homeY - b.homeY)) {
    const { box } = place;
    const y = box.lane === null ? Math.max(place.homeY, free) : 0;
    // Narrow boxes (objects that were put) stand at the right, close to what uses them.
    rects.set(box.id, { x: x + width - box.width, y, width: box.width, height: box.height });
    if (box.lane === null) {
      free = y + box.height + SHAPE.row_gap;
    }
  }
  return width;
}

/** Top edge of the free place nearest to `wanted`, at or below it; without a wish, below everything. */
export function nearestGap(places: readonly Place[], height: number, wanted: number | null): number {
  const taken = places
    .filter(place => place.box.lane === null)
    .map(place => ({ top: place.homeY, bottom: place.homeY + place.box.height }))
    .sort((a, b) => a.top - b.top);
  if (wanted === null) {
    return taken.reduce((low, each) => Math.max(low, each.bottom + SHAPE.row_gap), 0);
  }
  let y = Math.max(0, wanted);
  for (const each of taken) {
    if (each.top - SHAPE.row_gap >= y + height) {
      break;
    }
    if (each.bottom + SHAPE.row_gap > y) {
      y = each.bottom + SHAPE.row_gap;
    }
  }
  return y;
}

export function blockRect(members: readonly (Rect | undefined)[], lanes: ReadonlyMap<string, Rect>): Rect {
  const inner = union(members.filter(rect => rect !== undefined));
  let top = inner.y;
  for (const lane of lanes.values()) {
    if (lane.x < inner.x + inner.width && lane.x + lane.width > inner.x) {
      top = Math.min(top, lane.y);
    }
  }
  const pad = SHAPE.cell_pad;
  const y = top - SHAPE.cell_title_height;
  return { x: inner.x - pad, y, width: inner.width + 2 * pad, height: inner.y + inner.height + pad - y };
}

export function union(rects: readonly Rect[]): Rect {
  if (rects.length === 0) {
    return { x: 0, y: 0, width: 0, height: 0 };
  }
  const x = Math.min(...rects.map(rect => rect.x));
  const y = Math.min(...rects.map(rect => rect.y));
  const right = Math.max(...rects.map(rect => rect.x + rect.width));
  const bottom = Math.max(...rects.map(rect => rect.y + rect.height));
  return { x, y, width: right - x, height: bottom - y };
}

