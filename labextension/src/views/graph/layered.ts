/**
 * Owns the arithmetic of a layered drawing: longest-path layers, barycenter order, heights that pull boxes level with
 * their neighbours. Pure functions over ids; `layout.ts` decides when they are used.
 */
import { TOKENS } from '../tokens';
import type { LayoutBox, LayoutEdge } from './places';

const { row_gap: ROW_GAP } = TOKENS.shape;

/** Where `arrangeBlock` puts a box; `rows` is how many boxes a column of its layer holds. */
export interface Spot {
  readonly box: LayoutBox;
  readonly layer: number;
  readonly column: number;
  readonly rows: number;
  y: number;
}

/** How many boxes stand under each other before a layer of this size wraps. */
export function rowsFor(layerSize: number): number {
  const rule = TOKENS.limits.rows_by_layer_size.find(([size]) => size === null || layerSize <= size);
  return rule?.[1] ?? 12;
}

/**
 * Layer of each id: the longest path to it, and at least its floor. In a cycle (recursion folded into one box) the
 * first submitted goes first, and the edges back to it count for nothing.
 */
export function longestPaths(
  ids: readonly string[],
  edges: readonly LayoutEdge[],
  floor: ReadonlyMap<string, number>
): Map<string, number> {
  const { targets } = adjacency(edges);
  const waiting = new Map<string, number>(ids.map(id => [id, 0]));
  for (const edge of edges) {
    if (edge.source !== edge.target && waiting.has(edge.source)) {
      waiting.set(edge.target, (waiting.get(edge.target) ?? 0) + 1);
    }
  }
  const layers = new Map<string, number>();
  const lower = new Map(floor);
  const queue = ids.filter(id => waiting.get(id) === 0);
  let firstOpen = 0;
  while (layers.size < ids.length) {
    let id = queue.shift();
    if (id === undefined) {
      while (layers.has(ids[firstOpen] ?? '')) {
        firstOpen += 1;
      }
      id = ids[firstOpen] ?? '';
    }
    if (layers.has(id)) {
      continue;
    }
    const layer = lower.get(id) ?? 0;
    layers.set(id, layer);
    for (const target of targets.get(id) ?? []) {
      if (!layers.has(target)) {
        lower.set(target, Math.max(lower.get(target) ?? 0, layer + 1));
        const left = (waiting.get(target) ?? 0) - 1;
        waiting.set(target, left);
        if (left === 0) {
          queue.push(target);
        }
      }
    }
  }
  return layers;
}

/** Columns and heights of all boxes of one block. Boxes in lanes only take part in the order, not in the heights. */
export function arrangeBlock(
  boxes: readonly LayoutBox[],
  edges: readonly LayoutEdge[],
  layers: ReadonlyMap<string, number>
): Spot[] {
  const near = adjacency(edges);
  const byLayer = new Map<number, LayoutBox[]>();
  for (const box of boxes) {
    const layer = layers.get(box.id) ?? 0;
    push(byLayer, layer, box);
  }
  const order = [...byLayer].sort((a, b) => a[0] - b[0]);
  sweepOrder(order.map(([, members]) => members), near);
  const spots = order.map(([layer, members]) => spotsOf(members, layer));
  sweepHeights(spots, near);
  const all = spots.flat();
  const top = all.reduce((least, spot) => (spot.box.lane === null ? Math.min(least, spot.y) : least), 0);
  all.forEach(spot => (spot.y -= top));
  return all;
}

interface Near {
  readonly sources: ReadonlyMap<string, readonly string[]>;
  readonly targets: ReadonlyMap<string, readonly string[]>;
}

function adjacency(edges: readonly LayoutEdge[]): Near {
  const sources = new Map<string, string[]>();
  const targets = new Map<string, string[]>();
  for (const { source, target } of edges) {
    if (source !== target) {
      push(targets, source, target);
      push(sources, target, source);
    }
  }
  return { sources, targets };
}

/** Barycenter sweeps: sorts each layer by the mean place of its neighbours, forwards and backwards in turn. */
function sweepOrder(layers: LayoutBox[][], near: Near): void {
  const at = new Map<string, number>();
  const number = (members: readonly LayoutBox[]) =>
    members.forEach((box, index) => at.set(box.id, (index + 0.5) / members.length));
  layers.forEach(number);
  for (let sweep = 0; sweep < TOKENS.limits.barycenter_sweeps; sweep += 1) {
    const forwards = sweep % 2 === 0;
    const neighbours = forwards ? near.sources : near.targets;
    for (const members of forwards ? layers : [...layers].reverse()) {
      const key = new Map(
        members.map(box => [box.id, mean((neighbours.get(box.id) ?? []).map(id => at.get(id))) ?? at.get(box.id) ?? 0])
      );
      members.sort((a, b) => (key.get(a.id) ?? 0) - (key.get(b.id) ?? 0));
      number(members);
    }
  }
}

function spotsOf(members: readonly LayoutBox[], layer: number): Spot[] {
  const free = members.filter(box => box.lane === null);
  const rows = rowsFor(free.length);
  const spots: Spot[] = members
    .filter(box => box.lane !== null)
    .map(box => ({ box, layer, column: 0, rows: rowsFor(0), y: 0 }));
  chunk(free, rows).forEach((column, index) => {
    let y = 0;
    for (const box of column) {
      spots.push({ box, layer, column: index, rows, y });
      y += box.height + ROW_GAP;
    }
  });
  return spots;
}

/** Pulls each box level with its neighbours, as far as its column leaves room; wrapped layers keep their grid. */
function sweepHeights(layers: readonly Spot[][], near: Near): void {
  const byId = new Map(layers.flat().map(spot => [spot.box.id, spot]));
  const centre = (id: string) => {
    const spot = byId.get(id);
    return spot && spot.box.lane === null ? spot.y + spot.box.height / 2 : undefined;
  };
  for (const neighbours of [near.sources, near.targets, near.sources, near.targets, near.sources]) {
    for (const spots of neighbours === near.sources ? layers : [...layers].reverse()) {
      const free = spots.filter(spot => spot.box.lane === null);
      if (free.some(spot => spot.column > 0)) {
        continue;
      }
      const wanted = free.map(spot => {
        const middle = mean((neighbours.get(spot.box.id) ?? []).map(centre));
        return middle === null ? spot.y : middle - spot.box.height / 2;
      });
      nearestStack(wanted, free.map(spot => spot.box.height)).forEach((y, index) => {
        const spot = free[index];
        if (spot) {
          spot.y = y;
        }
      });
    }
  }
}

/** Tops in the given order that do not overlap and are nearest to the wanted ones (pool adjacent violators). */
export function nearestStack(wanted: readonly number[], heights: readonly number[]): number[] {
  const offsets: number[] = [];
  heights.reduce((sum, height, index) => {
    offsets[index] = sum;
    return sum + height + ROW_GAP;
  }, 0);
  const pools: { sum: number; size: number }[] = [];
  wanted.forEach((y, index) => {
    let pool = { sum: y - (offsets[index] ?? 0), size: 1 };
    for (let before = pools.at(-1); before && before.sum / before.size > pool.sum / pool.size; before = pools.at(-1)) {
      pool = { sum: before.sum + pool.sum, size: before.size + pool.size };
      pools.pop();
    }
    pools.push(pool);
  });
  const tops = pools.flatMap(pool => Array<number>(pool.size).fill(pool.sum / pool.size));
  return tops.map((top, index) => top + (offsets[index] ?? 0));
}

/** Appends to the list that a map holds for a key. */
export function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const values = map.get(key);
  if (values) {
    values.push(value);
  } else {
    map.set(key, [value]);
  }
}

function chunk<T>(values: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let at = 0; at < values.length; at += size) {
    chunks.push(values.slice(at, at + size));
  }
  return chunks;
}

function mean(values: readonly (number | undefined)[]): number | null {
  const known = values.filter(value => value !== undefined);
  return known.length === 0 ? null : known.reduce((a, b) => a + b, 0) / known.length;
}
