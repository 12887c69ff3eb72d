/**
 * Owns made-up runs for looking at the view and for its tests: each scenario is a list of deltas.
 */
import type { Edge, GraphDelta, GroupEdge, ObjectNode, TaskGroup, TaskNode, TaskStateName } from '../messages';
import { VIEW_SCHEMA_VERSION } from '../messages';

export const START = 1_760_000_000;

export function emptyDelta(sequence: number, parts: Partial<GraphDelta> = {}): GraphDelta {
  return {
    sequence,
    reset: sequence === 0,
    at: START + 3,
    mode: 'tasks',
    totals: {},
    rate_per_s: 0,
    tasks: [],
    objects: [],
    edges: [],
    groups: [],
    group_edges: [],
    removed: [],
    dropped: 0,
    disconnected_since: null,
    missed_records: 0,
    schema: VIEW_SCHEMA_VERSION,
    ...parts
  };
}

/** A run that is written down task by task. */
export class Run {
  readonly tasks = new Map<string, TaskNode>();
  readonly objects = new Map<string, ObjectNode>();
  readonly edges: Edge[] = [];
  private clock = START;

  task(id: string, name: string, state: TaskStateName, parts: Partial<TaskNode> = {}): string {
    this.clock += 0.004;
    const began = state === 'finished' || state === 'failed' || state === 'running';
    const seed = [...id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 9973, 7);
    this.tasks.set(id, {
      id,
      name,
      function: name,
      state,
      submitted_at: this.clock,
      parent: null,
      cell: { cell_id: 'c5', label: 'In [5]', line: 3 },
      attempt: 0,
      started_at: began ? this.clock + 0.02 : null,
      finished_at: state === 'finished' || state === 'failed' ? this.clock + 0.05 + (seed % 400) / 1000 : null,
      worker: began ? 'worker 2' : null,
      actor: null,
      error: null,
      ...parts
    });
    return id;
  }

  result(task: string, parts: Partial<ObjectNode> = {}): string {
    const index = parts.return_index ?? 0;
    const id = `${task}.${index}`;
    const done = this.tasks.get(task)?.state === 'finished';
    this.objects.set(id, {
      id,
      state: done ? 'shared' : 'pending',
      producer: task,
      return_index: index,
      is_put: false,
      object_bytes: done ? 120_000 : null,
      ...parts
    });
    this.edges.push({ kind: 'data', source: task, target: id });
    return id;
  }

  put(id: string, bytes: number, producer: string | null = null): string {
    this.objects.set(id, { id, state: 'shared', producer, return_index: 0, is_put: true, object_bytes: bytes });
    return id;
  }

  edge(kind: Edge['kind'], source: string, target: string): void {
    this.edges.push({ kind, source, target });
  }

  snapshot(sequence = 0, parts: Partial<GraphDelta> = {}): GraphDelta {
    const totals: Record<string, number> = {};
    for (const task of this.tasks.values()) {
      totals[task.state] = (totals[task.state] ?? 0) + 1;
    }
    return emptyDelta(sequence, {
      reset: true,
      totals,
      rate_per_s: 8.24,
      tasks: [...this.tasks.values()],
      objects: [...this.objects.values()],
      edges: this.edges,
      ...parts
    });
  }
}

/** `load` spreads to `n` calls of `transform`, which `merge` brings together. */
export function fanOut(n: number): GraphDelta {
  const run = new Run();
  const data = run.put('big', 48_000_000);
  const load = run.task('load', 'load_images', 'finished');
  run.edge('data', data, load);
  const loaded = run.result(load, { object_bytes: 350_000_000, state: 'spilled' });
  const merge = 'merge';
  for (let i = 0; i < n; i += 1) {
    const state: TaskStateName = i < n * 0.6 ? 'finished' : i < n * 0.62 + 2 ? 'running' : i % 7 === 0 ? 'fetching' : 'ready';
    const id = run.task(`t${i}`, 'transform', state);
    run.edge('data', loaded, id);
    run.edge('data', run.result(id), merge);
  }
  run.task(merge, 'merge', 'waiting', { cell: { cell_id: 'c6', label: 'In [6]', line: 1 } });
  run.result(merge);
  return run.snapshot();
}

/** Tasks that start tasks, with some of everything that goes wrong. */
export function trouble(): GraphDelta {
  const run = new Run();
  const root = run.task('root', 'run_experiment', 'running');
  const states: TaskStateName[] = ['finished', 'running', 'failed'];
  for (let i = 0; i < 3; i += 1) {
    const child = run.task(`fold${i}`, 'evaluate_one_cross_validation_fold', states[i] ?? 'ready', {
      parent: root,
      error: i === 2 ? 'ZeroDivisionError: division by zero\n  In [5], line 3, in train\n    return loss / n' : null
    });
    run.edge('control', root, child);
    for (let j = 0; j < 3; j += 1) {
      const state = (['finished', 'retried', 'failed', 'cancelled', 'lost', 'fetching', 'waiting', 'ready', 'finished'] as const)[
        (i * 3 + j) % 9
      ];
      const leaf = run.task(`fold${i}train${j}`, 'train', state ?? 'ready', {
        parent: child,
        attempt: state === 'retried' ? 2 : 0,
        error: state === 'failed' ? 'MemoryError: 12 GB wanted, 8 GB free' : null
      });
      run.edge('control', child, leaf);
      run.result(leaf);
      run.result(leaf, { return_index: 1 });
    }
  }
  const best = run.task('best', 'choose_best', 'waiting', { cell: { cell_id: 'c7', label: 'In [7]', line: 2 } });
  for (const id of ['fold0train0.0', 'fold0train1.0', 'fold1train0.0', 'fold1train1.0', 'fold2train2.0']) {
    run.edge('data', id, best);
  }
  return run.snapshot();
}

/** A training loop: simulators and a policy are actors, their calls depend on each other. */
export function actors(rounds = 3): GraphDelta {
  const run = new Run();
  const last = new Map<string, string>();
  const call = (actor: string, id: string, name: string, state: TaskStateName, cell: number) => {
    run.task(id, name, state, { actor, cell: { cell_id: `c${cell}`, label: `In [${cell}]`, line: 4 } });
    const before = last.get(actor);
    if (before !== undefined) {
      run.edge('stateful', before, id);
    }
    last.set(actor, id);
    return run.result(id, { object_bytes: 9_000 });
  };
  for (const k of [0, 1, 2]) {
    call(`actor-sim-000${k}`, `sim${k}`, 'Simulator.__init__', 'finished', 3);
  }
  let policy = call('actor-pol-00ff', 'policy', 'Policy.__init__', 'finished', 3);
  for (let round = 0; round < rounds; round += 1) {
    const state = (at: number): TaskStateName =>
      round < rounds - 1 ? 'finished' : at === 0 ? 'finished' : at === 1 ? 'running' : 'waiting';
    const rollouts = [0, 1, 2].map(k => {
      const result = call(`actor-sim-000${k}`, `r${round}s${k}`, 'Simulator.rollout', state(k === 0 ? 0 : 1), 4);
      run.edge('data', policy, `r${round}s${k}`);
      return result;
    });
    const collect = run.task(`collect${round}`, 'concatenate', state(2), { cell: { cell_id: 'c4', label: 'In [4]', line: 9 } });
    rollouts.forEach(rollout => run.edge('data', rollout, collect));
    const batch = run.result(collect, { object_bytes: 4_000_000 });
    policy = call('actor-pol-00ff', `u${round}`, 'Policy.update', state(2), 4);
    run.edge('data', batch, `u${round}`);
  }
  return run.snapshot();
}

/** 5,000 tasks, folded. */
export function groups(): GraphDelta {
  const run = new Run();
  const sample = (name: string, state: TaskStateName, n: number): TaskNode[] =>
    Array.from({ length: n }, (_, i) => {
      const id = run.task(`${name}${state}${i}`, name, state, {
        error: state === 'failed' ? 'ValueError: empty batch' : null
      });
      return run.tasks.get(id) as TaskNode;
    });
  const group = (id: string, name: string, cell: number, counts: Record<string, number>, p50: number | null): TaskGroup => ({
    id,
    function: name,
    cell: { cell_id: `c${cell}`, label: `In [${cell}]`, line: null },
    counts,
    rate_per_s: p50 === null ? 0 : 812.4,
    duration_p50_s: p50,
    latest: [...sample(name, 'running', 2), ...sample(name, 'finished', 2), ...sample(name, 'failed', 1)],
    slowest: sample(name, 'finished', 3)
  });
  const all: TaskGroup[] = [
    group('g0', 'download_page', 5, { finished: 1840, running: 2, failed: 3, ready: 155 }, 0.0123),
    group('g1', 'parse', 5, { finished: 1402, running: 2, waiting: 580, retried: 12, cancelled: 4 }, 0.00042),
    group('g2', 'tokenize_with_sentencepiece', 6, { finished: 400, running: 2, waiting: 498, fetching: 20, ready: 40 }, 1.74),
    group('g3', 'count_words', 6, { waiting: 40 }, null)
  ];
  const edges: GroupEdge[] = [
    { kind: 'data', source: 'g0', target: 'g1', count: 2000 },
    { kind: 'data', source: 'g1', target: 'g2', count: 960 },
    { kind: 'control', source: 'g0', target: 'g1', count: 10 },
    { kind: 'data', source: 'g2', target: 'g3', count: 960 }
  ];
  const totals: Record<string, number> = {};
  all.forEach(each => Object.entries(each.counts).forEach(([state, n]) => (totals[state] = (totals[state] ?? 0) + n)));
  return emptyDelta(0, { reset: true, mode: 'groups', totals, rate_per_s: 1624, groups: all, group_edges: edges });
}

/** `n` tasks in chains and fans of several cells, for measuring. */
export function many(n: number): GraphDelta {
  const run = new Run();
  const states: TaskStateName[] = ['finished', 'finished', 'finished', 'running', 'ready', 'failed', 'waiting'];
  const names = ['load', 'clean', 'features', 'train', 'score'];
  for (let i = 0; i < n; i += 1) {
    const cell = Math.floor((i * 4) / n);
    const id = run.task(`m${i}`, names[i % names.length] ?? 'f', states[i % states.length] ?? 'ready', {
      cell: { cell_id: `c${cell}`, label: `In [${cell + 1}]`, line: 1 }
    });
    run.result(id);
    if (i % names.length > 0) {
      run.edge('data', `m${i - 1}.0`, id);
    }
    if (i % 11 === 0 && i > 40) {
      run.edge('data', `m${i - 37}.0`, id);
    }
  }
  return run.snapshot();
}

export const SCENARIOS: Readonly<Record<string, () => GraphDelta>> = {
  fan: () => fanOut(64),
  trouble,
  actors,
  groups,
  few: () => fanOut(5),
  many: () => many(2000),
  empty: () => emptyDelta(0),
  disconnected: () => ({ ...fanOut(12), disconnected_since: START + 3 }),
  dropped: () => ({ ...fanOut(12), dropped: 12_430 }),
  missed: () => ({ ...fanOut(12), missed_records: 12 })
};
