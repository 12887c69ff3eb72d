/**
 * Owns where things stand: an incremental layered layout from left to right. Pure: boxes in, positions out.
 *
 * A cell of the notebook is a block of columns, blocks follow each other in time. Within a block a box's layer is its
 * longest path from the block's inputs; a layer of many boxes wraps into several columns. Calls of one actor stand in
 * the actor's lane above the blocks, so that neither lanes nor blocks push each other when one of them grows.
 *
 * What has a place keeps it: a new box takes the free place nearest to what it was made from. Only a block that is new
 * (or a layer that outgrows its columns fourfold) is arranged as a whole, by barycenter sweeps. Columns to the left
 * never move; those to the right of a new layer make room for it.
 */
import { TOKENS } from '../tokens';
import { arrangeBlock, longestPaths, push, rowsFor } from './layered';
import type { Spot } from './layered';
import { blockRect, Columns, nearestGap, stack, union } from './places';
import type { LayoutBox, LayoutEdge, Place, Rect } from './places';

export type { LayoutBox, LayoutEdge, Rect };

const SHAPE = TOKENS.shape;

/** Left and right edge of a wrapped layer, for lines that must find their way past its other columns. */
export interface Span {
  readonly left: number;
  readonly right: number;
}

export interface Positions {
  readonly boxes: ReadonlyMap<string, Rect>;
  readonly blocks: ReadonlyMap<string, Rect>;
  readonly lanes: ReadonlyMap<string, Rect>;
  /** The layer of each box that stands in a wrapped one. */
  readonly spans: ReadonlyMap<string, Span>;
  readonly bounds: Rect;
}

/** A column with room; `top` is where it begins when it is not the only one of its layer. */
interface OpenColumn {
  readonly index: number;
  readonly places: Place[];
  readonly top: number | null;
}

export class Layout {
  private readonly places = new Map<string, Place>();
  private readonly blocks = new Map<string, Map<number, number>>();
  private readonly lanes: string[] = [];

  /** Boxes in order of submission; edges whose ends are not among them are ignored. */
  update(boxes: readonly LayoutBox[], edges: readonly LayoutEdge[]): Positions {
    this.forget(new Set(boxes.map(box => box.id)));
    const inside = this.edgesInsideBlocks(boxes, edges);
    const floor = new Map([...this.places].map(([id, place]) => [id, place.layer]));
    const layers = longestPaths(boxes.map(box => box.id), inside, floor);
    const toArrange = new Set<string>();
    const toInsert: LayoutBox[] = [];
    for (const box of boxes) {
      const place = this.places.get(box.id);
      if (place && place.layer === layers.get(box.id) && place.box.block === box.block) {
        place.box = box;
      } else if (!this.blocks.has(box.block)) {
        toArrange.add(box.block);
      } else {
        this.places.delete(box.id);
        toInsert.push(box);
      }
    }
    for (const block of new Set(boxes.map(box => box.block))) {
      if (toArrange.has(block) || this.outgrown(block, boxes, layers)) {
        this.arrange(block, boxes, inside, edges, layers);
      }
    }
    this.insertAll(toInsert, edges, layers);
    return this.positions(boxes);
  }

  /** Gives everything up: the next update arranges all blocks as if they were new. */
  reset(): void {
    this.places.clear();
    this.blocks.clear();
    this.lanes.length = 0;
  }

  private forget(keep: ReadonlySet<string>): void {
    for (const [id] of this.places) {
      if (!keep.has(id)) {
        this.places.delete(id);
      }
    }
    const used = new Set([...this.places.values()].map(place => place.box.block));
    for (const block of this.blocks.keys()) {
      if (!used.has(block)) {
        this.blocks.delete(block);
      }
    }
  }

  private edgesInsideBlocks(boxes: readonly LayoutBox[], edges: readonly LayoutEdge[]): LayoutEdge[] {
    const byId = new Map(boxes.map(box => [box.id, box]));
    const inside = edges.filter(edge => {
      const source = byId.get(edge.source);
      return source !== undefined && source.block === byId.get(edge.target)?.block;
    });
    // Calls of one actor follow each other along its lane, whether or not their edge has been told.
    const last = new Map<string, string>();
    for (const box of boxes) {
      if (box.lane !== null) {
        const key = `${box.block}\n${box.lane}`;
        const before = last.get(key);
        if (before !== undefined) {
          inside.push({ source: before, target: box.id });
        }
        last.set(key, box.id);
      }
    }
    return inside;
  }

  private outgrown(block: string, boxes: readonly LayoutBox[], layers: ReadonlyMap<string, number>): boolean {
    const sizes = new Map<number, number>();
    for (const box of boxes) {
      const layer = layers.get(box.id);
      if (box.block === block && box.lane === null && layer !== undefined) {
        sizes.set(layer, (sizes.get(layer) ?? 0) + 1);
      }
    }
    const rows = this.blocks.get(block);
    return [...sizes].some(([layer, size]) => rowsFor(size) > (rows?.get(layer) ?? rowsFor(0)));
  }

  private arrange(
    block: string,
    boxes: readonly LayoutBox[],
    inside: readonly LayoutEdge[],
    edges: readonly LayoutEdge[],
    layers: ReadonlyMap<string, number>
  ): void {
    const members = boxes.filter(box => box.block === block);
    const rows = new Map<number, number>();
    const spots = arrangeBlock(members, inside, layers);
    members.forEach(box => this.places.delete(box.id));
    const down = this.towardsInputs(spots, edges);
    for (const { box, layer, column, y, rows: ofColumn } of spots) {
      this.places.set(box.id, { box, layer, column, homeY: y + down });
      rows.set(layer, Math.max(rows.get(layer) ?? 0, ofColumn));
    }
    this.blocks.set(block, rows);
  }

  /** How far down a block has to stand to be level with what it gets from earlier blocks. */
  private towardsInputs(spots: readonly Spot[], edges: readonly LayoutEdge[]): number {
    const centres = new Map(spots.map(({ box, y }) => [box.id, box.lane === null ? y + box.height / 2 : null]));
    const apart: number[] = [];
    for (const edge of edges) {
      const target = centres.get(edge.target) ?? null;
      const source = target === null ? null : this.meanCentre([edge.source]);
      if (target !== null && source !== null) {
        apart.push(source - target);
      }
    }
    return apart.length === 0 ? 0 : Math.max(0, apart.reduce((a, b) => a + b, 0) / apart.length);
  }

  private insertAll(
    boxes: readonly LayoutBox[],
    edges: readonly LayoutEdge[],
    layers: ReadonlyMap<string, number>
  ): void {
    const inputs = new Map<string, string[]>();
    for (const edge of edges) {
      push(inputs, edge.target, edge.source);
    }
    const columns = this.columns();
    const kinOf = (box: LayoutBox) => `${layers.get(box.id) ?? 0}\n${box.block}\n${inputs.get(box.id)?.join(' ') ?? ''}`;
    const coming = new Map<string, number>();
    boxes.forEach(box => coming.set(kinOf(box), (coming.get(kinOf(box)) ?? 0) + 1));
    const above = new Map<string, number>();
    const byLayer = boxes
      .filter(box => !this.places.has(box.id))
      .sort((a, b) => (layers.get(a.id) ?? 0) - (layers.get(b.id) ?? 0));
    for (const box of byLayer) {
      const layer = layers.get(box.id) ?? 0;
      if (box.lane !== null) {
        this.places.set(box.id, { box, layer, column: 0, homeY: 0 });
        continue;
      }
      const column = this.openColumn(columns, box.block, layer);
      const mates = column.places;
      // The columns of a wrapped layer are a grid: each begins where the first one does.
      const centre = column.top === null ? this.meanCentre(inputs.get(box.id) ?? []) : null;
      // Children of the same parents stand around them, also those that are yet to be placed.
      const kin = kinOf(box);
      if (!above.has(kin)) {
        const here = mates.filter(mate => kinOf(mate.box) === kin).length + (coming.get(kin) ?? 1);
        const rows = Math.min(here, this.blocks.get(box.block)?.get(layer) ?? rowsFor(0));
        above.set(kin, ((rows - 1) * (box.height + SHAPE.row_gap)) / 2);
      }
      const wanted = (centre ?? 0) - box.height / 2 - (above.get(kin) ?? 0);
      const homeY = nearestGap(mates, box.height, centre === null ? column.top : wanted);
      const place: Place = { box, layer, column: column.index, homeY };
      mates.push(place);
      this.places.set(box.id, place);
      const rows = this.blocks.get(box.block) ?? new Map<number, number>();
      rows.set(layer, rows.get(layer) ?? rowsFor(0));
      this.blocks.set(box.block, rows);
    }
  }

  private meanCentre(ids: readonly string[]): number | null {
    const centres: number[] = [];
    for (const id of ids) {
      const place = this.places.get(id);
      if (place && place.box.lane === null) {
        centres.push(place.homeY + place.box.height / 2);
      }
    }
    return centres.length === 0 ? null : centres.reduce((a, b) => a + b, 0) / centres.length;
  }

  private openColumn(columns: Columns, block: string, layer: number): OpenColumn {
    const ofLayer = columns.of(block, layer);
    const tops = (ofLayer[0] ?? []).filter(place => place.box.lane === null).map(place => place.homeY);
    const rows = this.blocks.get(block)?.get(layer) ?? rowsFor(0);
    const last = ofLayer.at(-1);
    if (last && last.filter(place => place.box.lane === null).length < rows) {
      return { index: ofLayer.length - 1, places: last, top: ofLayer.length > 1 ? Math.min(...tops) : null };
    }
    const fresh: Place[] = [];
    ofLayer.push(fresh);
    return { index: ofLayer.length - 1, places: fresh, top: ofLayer.length > 1 ? Math.min(...tops) : null };
  }

  private columns(): Columns {
    const columns = new Columns();
    for (const place of this.places.values()) {
      columns.add(place);
    }
    return columns;
  }

  private positions(boxes: readonly LayoutBox[]): Positions {
    const rects = new Map<string, Rect>();
    const order = [...new Set(boxes.map(box => box.block))];
    const spans = new Map<string, Span>();
    const columns = this.columns();
    let x = 0;
    for (const block of order) {
      const layers = columns.layersOf(block);
      x += SHAPE.cell_pad;
      layers.forEach((ofLayer, at) => {
        x += at > 0 ? SHAPE.layer_gap : 0;
        const left = x;
        ofLayer.forEach((places, index) => {
          x += index > 0 ? SHAPE.column_gap : 0;
          x += stack(places, x, rects);
        });
        if (ofLayer.length > 1) {
          ofLayer.flat().forEach(place => spans.set(place.box.id, { left, right: x }));
        }
      });
      x += SHAPE.cell_pad + SHAPE.cell_gap;
    }
    const lanes = this.placeLanes(boxes, rects);
    const blocks = new Map<string, Rect>();
    for (const block of order) {
      blocks.set(block, blockRect(boxes.filter(box => box.block === block).map(box => rects.get(box.id)), lanes));
    }
    return { boxes: rects, blocks, lanes, spans, bounds: union([...blocks.values(), ...lanes.values()]) };
  }

  private placeLanes(boxes: readonly LayoutBox[], rects: Map<string, Rect>): Map<string, Rect> {
    const calls = new Map<string, Rect[]>();
    for (const box of boxes) {
      const rect = rects.get(box.id);
      if (box.lane !== null && rect) {
        push(calls, box.lane, rect);
      }
    }
    for (const lane of calls.keys()) {
      if (!this.lanes.includes(lane)) {
        this.lanes.push(lane);
      }
    }
    const height = SHAPE.lane_title_height + SHAPE.task_height + SHAPE.lane_pad;
    const lanes = new Map<string, Rect>();
    this.lanes.forEach((lane, index) => {
      const top = -(index + 1) * (height + SHAPE.lane_gap);
      const mine = calls.get(lane);
      if (mine) {
        mine.forEach(rect => (rect.y = top + SHAPE.lane_title_height));
        const around = union(mine);
        const pad = SHAPE.lane_pad;
        lanes.set(lane, { x: around.x - pad, y: top, width: around.width + 2 * pad, height });
      }
    });
    return lanes;
  }
}
