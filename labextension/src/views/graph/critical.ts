/**
 * Owns the critical path: the chain of tasks that decided when the last one ended.
 */
import type { TaskNode } from '../messages';
import type { GraphModel } from './model';

/**
 * Ids of tasks and objects on the path that ends at `end` (or at the task that ended last), in order of time.
 * Going back, each step takes the input that arrived last; a task without inputs waited for its parent or actor.
 */
export function criticalPath(model: GraphModel, end: string | null): string[] {
  let current = end !== null && model.tasks.has(end) ? end : lastToEnd(model);
  const path: string[] = [];
  const seen = new Set<string>();
  while (current !== null && !seen.has(current)) {
    seen.add(current);
    path.push(current);
    const before: Step | null = lastInput(model, current);
    if (before?.via && !seen.has(before.via)) {
      path.push(before.via);
    }
    current = before?.task ?? null;
  }
  return path.reverse();
}

interface Step {
  readonly task: string;
  readonly via: string | null;
}

function lastInput(model: GraphModel, id: string): Step | null {
  const inputs: Step[] = [];
  const parents: Step[] = [];
  for (const link of model.neighbours(id, 'up')) {
    if (link.kind === 'control') {
      parents.push({ task: link.id, via: null });
    } else if (model.tasks.has(link.id)) {
      inputs.push({ task: link.id, via: null });
    } else {
      const producer = model.objects.get(link.id)?.producer ?? null;
      if (producer !== null && producer !== id && model.tasks.has(producer)) {
        inputs.push({ task: producer, via: link.id });
      }
    }
  }
  const candidates = inputs.length > 0 ? inputs : parents;
  return candidates.reduce<Step | null>(
    (best, step) => (best === null || endOf(model, step.task) > endOf(model, best.task) ? step : best),
    null
  );
}

function lastToEnd(model: GraphModel): string | null {
  let last: TaskNode | null = null;
  for (const task of model.tasks.values()) {
    if (last === null || endOf(model, task.id) > endOf(model, last.id)) {
      last = task;
    }
  }
  return last?.id ?? null;
}

/** A task that runs still ends later than everything that has ended; one that has not begun decides nothing yet. */
function endOf(model: GraphModel, id: string): number {
  const task = model.tasks.get(id);
  if (!task) {
    return -Infinity;
  }
  if (task.finished_at !== null) {
    return task.finished_at;
  }
  return task.started_at !== null ? model.at : -Infinity;
}
