import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { actors, fanOut, many, trouble } from '../src/views/dev/synthetic';
import { contains, fit, visible, zoomAt } from '../src/views/graph/camera';
import { longestPaths, nearestStack } from '../src/views/graph/layered';
import { Layout } from '../src/views/graph/layout';
import type { LayoutBox, LayoutEdge, Positions, Rect } from '../src/views/graph/layout';
import { GraphModel } from '../src/views/graph/model';
import { sceneOf } from '../src/views/graph/scene';
import type { GraphDelta } from '../src/views/messages';

function box(id: string, parts: Partial<LayoutBox> = {}): LayoutBox {
  return { id, block: 'c', lane: null, width: 100, height: 30, ...parts };
}

function edge(source: string, target: string): LayoutEdge {
  return { source, target };
}

function placed(delta: GraphDelta): Positions {
  const model = new GraphModel();
  model.apply(delta);
  const scene = sceneOf(model);
  return new Layout().update(scene.boxes, scene.layoutEdges);
}

function at(positions: Positions, id: string): Rect {
  const rect = positions.boxes.get(id);
  assert.ok(rect, id);
  return rect;
}

function assertApart(positions: Positions): void {
  const rects = [...positions.boxes.values()].sort((a, b) => a.x - b.x);
  rects.forEach((a, index) => {
    for (let next = index + 1; next < rects.length; next += 1) {
      const b = rects[next]!;
      if (b.x >= a.x + a.width) {
        break;
      }
      assert.ok(a.y + a.height <= b.y + 0.01 || b.y + b.height <= a.y + 0.01, 'two boxes overlap');
    }
  });
}

for (const [name, delta] of Object.entries({ fan: fanOut(64), trouble: trouble(), actors: actors(), many: many(600) })) {
  test(`${name}: no boxes overlap, blocks do not overlap, edges inside a block go right`, () => {
    const positions = placed(delta);
    assertApart(positions);
    const blocks = [...positions.blocks.values()];
    blocks.slice(1).forEach((block, i) => assert.ok(block.x >= blocks[i]!.x + blocks[i]!.width));
    const model = new GraphModel();
    model.apply(delta);
    const scene = sceneOf(model);
    const blockOf = new Map(scene.boxes.map(each => [each.id, each.block]));
    for (const { source, target } of scene.layoutEdges) {
      if (blockOf.get(source) === blockOf.get(target)) {
        assert.ok(at(positions, source).x < at(positions, target).x, `${source} -> ${target}`);
      }
    }
  });
}

test('what is on screen does not move when the graph grows', () => {
  const layout = new Layout();
  const boxes = [box('a'), box('b'), box('c')];
  const edges = [edge('a', 'b'), edge('a', 'c')];
  const before = layout.update(boxes, edges);
  const first = new Map([...before.boxes].map(([id, rect]) => [id, { ...rect }]));
  boxes.push(box('d'), box('e'), box('f'));
  edges.push(edge('b', 'd'), edge('a', 'e'));
  const after = layout.update(boxes, edges);
  for (const [id, rect] of first) {
    assert.deepEqual(at(after, id), rect);
  }
  assertApart(after);
  assert.ok(at(after, 'd').x > at(after, 'b').x);
});

test('places survive a snapshot and the end of other boxes', () => {
  const layout = new Layout();
  const before = layout.update([box('a'), box('b'), box('c')], []);
  const b = { ...at(before, 'b') };
  assert.deepEqual(at(layout.update([box('b'), box('c')], []), 'b'), b);
});

test('a box that grows pushes those below it, and gives the room back', () => {
  const layout = new Layout();
  const low = at(layout.update([box('a'), box('b')], []), 'b').y;
  assert.equal(at(layout.update([box('a', { height: 130 }), box('b')], []), 'b').y, low + 100);
  assert.equal(at(layout.update([box('a'), box('b')], []), 'b').y, low);
});

test('calls of an actor follow each other in its lane', () => {
  const positions = placed(actors());
  const lane = positions.lanes.get('actor-pol-00ff');
  const calls = ['policy', 'u0', 'u1', 'u2'].map(id => at(positions, id));
  assert.ok(lane);
  calls.forEach(call => assert.ok(contains(lane, call)));
  calls.slice(1).forEach((call, i) => assert.ok(call.x > calls[i]!.x));
});

test('a cycle ends, with the first submitted first', () => {
  const layers = longestPaths(['a', 'b', 'c'], [edge('a', 'b'), edge('b', 'a'), edge('b', 'c')], new Map());
  assert.deepEqual([...layers], [['a', 0], ['b', 1], ['c', 2]]);
});

test('stacking keeps order and distance, and moves as little as it can', () => {
  const tops = nearestStack([0, 0, 500], [30, 30, 30]);
  assert.deepEqual(tops, [-20, 20, 500]);
});

test('2,000 boxes do not take long', () => {
  const delta = many(2000);
  placed(delta);
  const start = performance.now();
  placed(delta);
  const took = performance.now() - start;
  console.log(`layout of 2,000 tasks: ${took.toFixed(0)} ms`);
  // Far above what it takes (about 100 ms), so that a busy machine does not fail it; quadratic growth would.
  assert.ok(took < 3000, `${took} ms`);
});

test('the camera', () => {
  const size = { width: 800, height: 400 };
  const bounds = { x: -50, y: 10, width: 3000, height: 500 };
  const camera = fit(bounds, size);
  assert.ok(contains(visible(camera, size), bounds));
  const closer = zoomAt(camera, 2, 100, 50);
  assert.ok(Math.abs(closer.x + 100 / closer.scale - (camera.x + 100 / camera.scale)) < 1e-6);
});

test('children that come later stand around their parent', () => {
  const layout = new Layout();
  const before = [box('other'), box('far', { block: 'b' }), box('parent')];
  const stacked = Array.from({ length: 8 }, (_, i) => box(`over${i}`, { block: 'b' }));
  layout.update([...stacked, ...before], stacked.map(each => edge(each.id, 'parent')));
  const children = Array.from({ length: 5 }, (_, i) => box(`child${i}`));
  const edges = [...stacked.map(each => edge(each.id, 'parent')), ...children.map(child => edge('parent', child.id))];
  const first = children.slice(0, 1);
  layout.update([...stacked, ...before, ...first], edges);
  const positions = layout.update([...stacked, ...before, ...children], edges);
  const tops = children.map(child => at(positions, child.id).y);
  assert.ok(Math.min(...tops) < at(positions, 'parent').y);
  assert.ok(Math.max(...tops) > at(positions, 'parent').y);
  assertApart(positions);
});
