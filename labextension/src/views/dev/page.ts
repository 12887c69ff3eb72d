/**
 * Owns the development page: shows a scenario of `synthetic.ts` by the hash of its address, `#fan` for example, and
 * can replay it as a growing graph (`#fan,grow`). `window.cellrayDev` is for the browser that takes pictures of it.
 */
import type { GraphDelta } from '../messages';
import makeWidget from '../graph/widget';
import { emptyDelta, SCENARIOS } from './synthetic';

type Handle = (message: unknown) => void;

class StandInModel {
  asked = 0;
  private handles: Handle[] = [];

  constructor(private readonly source: () => GraphDelta | null) {}

  get(name: 'snapshot'): GraphDelta | null;
  get(name: 'title'): string | undefined;
  get(name: string): GraphDelta | string | null | undefined {
    return name === 'snapshot' ? this.source() : undefined;
  }

  send(): void {
    this.asked += 1;
  }

  on(_: string, handle: Handle): void {
    this.handles.push(handle);
  }

  off(_: string, handle: Handle): void {
    this.handles = this.handles.filter(each => each !== handle);
  }

  tell(delta: GraphDelta): void {
    this.handles.forEach(handle => handle({ type: 'delta', delta }));
  }
}

/** Cuts a snapshot into deltas of `step` tasks, in order of submission. */
export function growing(whole: GraphDelta, step: number): GraphDelta[] {
  const tasks = [...whole.tasks].sort((a, b) => a.submitted_at - b.submitted_at);
  const deltas: GraphDelta[] = [];
  const known = new Set<string>();
  for (let at = 0; at < tasks.length; at += step) {
    const part = tasks.slice(at, at + step);
    part.forEach(task => known.add(task.id));
    const objects = whole.objects.filter(object => object.producer === null || known.has(object.producer));
    objects.forEach(object => known.add(object.id));
    const edges = whole.edges.filter(edge => known.has(edge.source) && known.has(edge.target));
    const totals: Record<string, number> = {};
    tasks.slice(0, at + step).forEach(task => (totals[task.state] = (totals[task.state] ?? 0) + 1));
    deltas.push(emptyDelta(deltas.length + 1, { tasks: part, objects, edges, totals, rate_per_s: 8 }));
  }
  return deltas;
}

function start(): void {
  const [name = 'fan', how = ''] = location.hash.slice(1).split(',');
  const make = SCENARIOS[name] ?? SCENARIOS['fan'];
  const whole = make?.() ?? emptyDelta(0);
  const live = how === 'grow';
  const model = new StandInModel(() => (live ? emptyDelta(0) : whole));
  const widget = makeWidget();
  const stop = widget.initialize({ model });
  const host = document.getElementById('host') ?? document.body;
  let end = widget.render({ el: host });
  const deltas = live ? growing(whole, 6) : [];
  Object.assign(window, {
    cellrayDev: {
      model,
      deltas,
      next: () => {
        const delta = deltas.shift();
        if (delta) {
          model.tell(delta);
        }
        return deltas.length;
      },
      tell: (delta: GraphDelta) => model.tell(delta),
      render: () => {
        end();
        end = widget.render({ el: host });
      },
      stop: () => {
        end();
        stop();
      }
    }
  });
}

start();
