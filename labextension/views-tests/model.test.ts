import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyDelta, fanOut, groups, Run, trouble } from '../src/views/dev/synthetic';
import { criticalPath } from '../src/views/graph/critical';
import { heightFor } from '../src/views/graph/camera';
import { GraphModel } from '../src/views/graph/model';
import { plainName, shortName } from '../src/views/graph/scene';
import { detailLine, notices, summary } from '../src/views/graph/words';

function modelOf(...deltas: Parameters<GraphModel['apply']>[0][]): GraphModel {
  const model = new GraphModel();
  deltas.forEach(delta => model.apply(delta));
  return model;
}

test('deltas are applied in order, gaps and old ones are noticed', () => {
  const run = new Run();
  run.task('a', 'f', 'finished');
  const model = modelOf(run.snapshot(4));
  const task = { ...run.tasks.get('a')!, state: 'failed' as const };
  assert.equal(model.apply(emptyDelta(5, { tasks: [task] })), 'applied');
  assert.equal(model.tasks.get('a')?.state, 'failed');
  assert.equal(model.apply(emptyDelta(5)), 'stale');
  assert.equal(model.apply(emptyDelta(7)), 'gap');
  assert.equal(model.sequence, 5);
  assert.equal(model.apply(run.snapshot(9)), 'applied');
  assert.equal(model.apply({ ...emptyDelta(10), schema: 99 }), 'unknown-schema');
});

test('a delta before the first snapshot is a gap', () => {
  assert.equal(new GraphModel().apply(emptyDelta(3, { reset: false })), 'gap');
});

test('a change of state alone is no change of structure', () => {
  const run = new Run();
  run.task('a', 'f', 'running');
  const model = modelOf(run.snapshot(0));
  const before = model.structure;
  model.apply(emptyDelta(1, { tasks: [{ ...run.tasks.get('a')!, state: 'finished' }] }));
  assert.equal(model.structure, before);
  model.apply(emptyDelta(2, { removed: ['a'] }));
  assert.notEqual(model.structure, before);
  assert.ok(model.isEmpty());
});

test('what is removed takes its edges and the selection with it', () => {
  const model = modelOf(fanOut(3));
  model.select('t1');
  model.apply(emptyDelta(1, { removed: ['t1'] }));
  assert.equal(model.selected, null);
  assert.ok([...model.edges.values()].every(edge => edge.source !== 't1' && edge.target !== 't1'));
});

test('ancestors and descendants', () => {
  const model = modelOf(fanOut(3));
  assert.deepEqual([...model.reach('t1', 'up')].sort(), ['big', 'load', 'load.0']);
  assert.deepEqual([...model.reach('t1', 'down')].sort(), ['merge', 'merge.0', 't1.0']);
});

test('search takes every word, in names, states, cells and errors', () => {
  const model = modelOf(trouble());
  model.setQuery('train failed memory');
  assert.deepEqual([...model.matches()!], ['fold0train2']);
  model.setQuery('zerodivision');
  assert.deepEqual([...model.matches()!], ['fold2']);
  model.setQuery('  ');
  assert.equal(model.matches(), null);
});

test('the critical path takes the input that arrived last', () => {
  const run = new Run();
  const at = (end: number) => ({ started_at: end - 1, finished_at: end });
  run.task('slow', 'f', 'finished', at(9));
  run.task('fast', 'f', 'finished', at(3));
  run.task('end', 'g', 'finished', at(12));
  run.task('other', 'h', 'finished', at(5));
  for (const id of ['slow', 'fast']) {
    run.edge('data', run.result(id), 'end');
  }
  const model = modelOf(run.snapshot());
  assert.deepEqual(criticalPath(model, null), ['slow', 'slow.0', 'end']);
  assert.deepEqual(criticalPath(model, 'other'), ['other']);
});

test('listeners hear changes until they leave', () => {
  const model = new GraphModel();
  let heard = 0;
  const leave = model.onChange(() => (heard += 1));
  model.apply(fanOut(2));
  leave();
  model.setQuery('x');
  assert.equal(heard, 1);
});

test('words', () => {
  assert.equal(summary(new GraphModel()), 'no tasks yet');
  assert.equal(summary(modelOf(fanOut(5))), '4/7 done, 8.24/s, 2 running, 1 waiting');
  assert.deepEqual(notices(modelOf(fanOut(5))), []);
  assert.match(notices(modelOf(groups()))[0] ?? '', /^5k tasks, folded/);
  assert.match(notices(modelOf({ ...fanOut(2), dropped: 12_430 }))[0] ?? '', /^12.4k tasks are missing/);
  const failed = modelOf(trouble()).tasks.get('fold2');
  assert.equal(failed && detailLine(failed, 0), 'ZeroDivisionError');
});

test('a rate is told only while something goes on', () => {
  const run = new Run();
  run.task('a', 'f', 'finished');
  const model = modelOf({ ...run.snapshot(0), rate_per_s: 8 });
  assert.equal(summary(model), '1/1 done');
  run.task('b', 'f', 'running');
  model.apply({ ...run.snapshot(1), rate_per_s: 8 });
  assert.match(summary(model), /8\/s/);
  model.kernelGone(1_000_000);
  assert.doesNotMatch(summary(model), /8\/s/);
  assert.match(notices(model)[0] ?? '', /^The kernel ended at/);
});

test('names that are no dotted names are left whole', () => {
  assert.deepEqual(['a.b.f', 'lr=0.5', 'In [4]', 'f'].map(shortName), ['f', 'lr=0.5', 'In [4]', 'f']);
  assert.deepEqual(['m.Actor.go', 'v1.2 run'].map(plainName), ['Actor.go', 'v1.2 run']);
});

test('a stage is as high as its graph, within reason', () => {
  const bounds = (width: number, height: number) => ({ x: 0, y: 0, width, height });
  assert.equal(heightFor(bounds(300, 40), 1000, 0.3), 96);
  assert.equal(heightFor(bounds(300, 200), 1000, 0.3), 232);
  assert.equal(heightFor(bounds(1936, 400), 1000, 0.3), 232);
  assert.equal(heightFor(bounds(300, 5000), 1000, 0.3), 400);
});
