/**
 * Owns the sentences of the view: what a box says of its task, the summary, what trouble is called. No pixels.
 */
import type { TaskGroup, TaskNode } from '../messages';
import { TOKENS } from '../tokens';
import { clockTime, count, duration, rate } from '../visual';
import type { GraphModel } from './model';
import { STATES } from './model';

/** The second line of a task's box. */
export function detailLine(task: TaskNode, nowS: number): string {
  const attempt = task.attempt > 0 ? `, attempt ${task.attempt + 1}` : '';
  switch (task.state) {
    case 'waiting':
      return 'waiting for inputs';
    case 'fetching':
      return 'fetching inputs';
    case 'running': {
      const since = task.started_at === null ? '' : ` ${duration(Math.max(0, nowS - task.started_at))}`;
      return `running${since}${attempt}`;
    }
    case 'finished':
      return (tookS(task) === null ? 'finished' : duration(tookS(task) ?? 0)) + attempt;
    case 'failed':
      return task.error === null ? 'failed' : (task.error.split(/[:(\n]/)[0] ?? 'failed');
    case 'retried':
      return `again, attempt ${task.attempt + 1}`;
    default:
      return TOKENS.task_states[task.state].label;
  }
}

/** Seconds that a task ran, when it has both begun and ended. */
export function tookS(task: TaskNode): number | null {
  return task.started_at === null || task.finished_at === null
    ? null
    : Math.max(0, task.finished_at - task.started_at);
}

/** The last line of a group's box. */
export function groupLine(group: TaskGroup): string {
  const parts: string[] = [];
  if (group.rate_per_s > 0) {
    parts.push(rate(group.rate_per_s));
  }
  if (group.duration_p50_s !== null) {
    parts.push(`half take under ${duration(group.duration_p50_s)}`);
  }
  return parts.join(', ');
}

export function groupTotal(group: TaskGroup): number {
  return STATES.reduce((sum, state) => sum + (group.counts[state] ?? 0), 0);
}

const UNENDED: ReadonlySet<string> = new Set(['waiting', 'ready', 'fetching', 'running', 'retried']);

/** `37/64 done, 8.2/s, 2 running, 1 retried`: what matters most first, for the line may be cut at its end. */
export function summary(model: GraphModel): string {
  const all = model.totalTasks();
  if (all === 0) {
    return 'no tasks yet';
  }
  const parts = [`${count(model.total('finished'))}/${count(all)} done`];
  const goesOn = STATES.some(state => UNENDED.has(state) && model.total(state) > 0);
  if (model.ratePerS > 0 && goesOn && model.isLive) {
    parts.push(rate(model.ratePerS));
  }
  for (const state of ['failed', 'lost', 'running', 'retried', 'cancelled', 'fetching', 'ready', 'waiting'] as const) {
    if (model.total(state) > 0) {
      parts.push(`${count(model.total(state))} ${TOKENS.task_states[state].label}`);
    }
  }
  return parts.join(', ');
}

/** What the reader should know about the picture itself; empty when nothing is wrong. */
export function notices(model: GraphModel): string[] {
  const said: string[] = [];
  if (model.disconnectedSince !== null && model.kernelGoneSince === null) {
    const since = clockTime(model.disconnectedSince);
    said.push(`Disconnected since ${since}. This is what was known then. Run cellray.init() to connect again.`);
  }
  if (model.kernelGoneSince !== null) {
    const since = clockTime(model.kernelGoneSince);
    said.push(`The kernel ended at ${since}. This is what was known then; run the cell again for a live view.`);
  }
  if (model.mode === 'groups') {
    const all = count(model.totalTasks());
    said.push(
      `${all} tasks, folded into one box for each function and cell. Open a box (+) for its latest and slowest tasks.`
    );
  }
  if (model.dropped > 0) {
    const many = model.dropped === 1 ? '1 task is' : `${count(model.dropped)} tasks are`;
    said.push(`${many} missing from this picture. Counts include them; the event log has them all.`);
  }
  if (model.missedRecords > 0) {
    const many = model.missedRecords === 1 ? '1 record' : `${count(model.missedRecords)} records`;
    said.push(`${many} of the log could not be read any more: what they told is missing, in the counts too.`);
  }
  return said;
}

export const EMPTY_TITLE = 'Nothing has run yet';
export const EMPTY_ADVICE = 'Run a remote cell, or a function with @cellray.remote, and watch its tasks here:';
export const EMPTY_CODE = '%%remote --for i in range(8)\ni * i';

/** One sentence for screen readers about the selected node. */
export function spoken(model: GraphModel, id: string, nowS: number): string {
  const task = model.tasks.get(id);
  const inputs = model.neighbours(id, 'up').length;
  const outputs = model.neighbours(id, 'down').length;
  const around = `${inputs} before it, ${outputs} after it`;
  if (task) {
    return `${task.name}, ${TOKENS.task_states[task.state].label}, ${detailLine(task, nowS)}; ${around}`;
  }
  const group = model.groups.get(id);
  if (group) {
    return `${group.function}, ${count(groupTotal(group))} tasks, ${groupLine(group)}; ${around}`;
  }
  const object = model.objects.get(id);
  return object ? `object, ${TOKENS.object_states[object.state].label}; ${around}` : '';
}
