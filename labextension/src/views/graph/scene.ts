/**
 * Owns what is drawn of a graph: which nodes become boxes, which objects dock at the task that returned them, which
 * edges become lines. Pure; positions come from `layout.ts`.
 */
import type { EdgeKind, TaskGroup, TaskNode } from '../messages';
import { TOKENS } from '../tokens';
import type { LayoutBox, LayoutEdge, Rect } from './layout';
import { push } from './layered';
import type { GraphModel } from './model';

const { shape: SHAPE, limits: LIMITS } = TOKENS;

export interface Line {
  readonly kind: EdgeKind;
  readonly source: string;
  readonly target: string;
  /** Boxes that it runs between; `dock` is the object's place at the right edge of the first. */
  readonly from: string;
  readonly to: string;
  readonly dock: number | null;
  readonly count: number;
}

export interface Scene {
  readonly boxes: readonly LayoutBox[];
  readonly layoutEdges: readonly LayoutEdge[];
  readonly lines: readonly Line[];
  /** Objects at the right edge of each task, by return index; more than fit are only counted. */
  readonly docked: ReadonlyMap<string, readonly string[]>;
  readonly undrawn: ReadonlyMap<string, number>;
  readonly blockTitles: ReadonlyMap<string, string>;
  readonly laneTitles: ReadonlyMap<string, string>;
}

export function sceneOf(model: GraphModel): Scene {
  return model.mode === 'groups' ? groupScene(model) : taskScene(model);
}

/** Heights of a docked object's centre above the box's top. */
export function dockY(index: number, count: number, height: number): number {
  return (height * (index + 1)) / (count + 1);
}

export function groupHeight(group: TaskGroup, expanded: boolean): number {
  if (!expanded) {
    return SHAPE.group_height;
  }
  const rows = [group.latest, group.slowest].map(list => Math.min(list.length, SHAPE.group_rows_max));
  const lists = rows.filter(n => n > 0).length;
  return SHAPE.group_height + (rows.reduce((a, b) => a + b, 0) + lists) * SHAPE.group_row_height + 6;
}

export function rectCentre(rect: Rect): { x: number; y: number } {
  return { x: rect.x + rect.width / 2, y: rect.y + rect.height / 2 };
}

function taskScene(model: GraphModel): Scene {
  const tasks = [...model.tasks.values()].sort((a, b) => a.submitted_at - b.submitted_at);
  const { docked, undrawn, dockOf } = dockObjects(model);
  const boxes: LayoutBox[] = [];
  const titles = new Titles();
  const puts = freeObjects(model, dockOf);
  for (const task of tasks) {
    const block = titles.block(task);
    (puts.get(task.id) ?? []).forEach(id => boxes.push(putBox(id, block)));
    const lane = task.actor;
    boxes.push({ id: task.id, block, lane, width: SHAPE.task_width, height: SHAPE.task_height });
    titles.lane(task);
  }
  const present = new Set(boxes.map(box => box.id));
  const lines: Line[] = [];
  for (const edge of model.edges.values()) {
    const dock = dockOf.get(edge.source);
    const from = dock?.task ?? edge.source;
    const dockedHere = dockOf.get(edge.target)?.task === edge.source;
    if (!dockedHere && from !== edge.target && present.has(from) && present.has(edge.target)) {
      lines.push({ ...edge, from, to: edge.target, dock: dock?.index ?? null, count: 1 });
    }
  }
  return {
    boxes,
    layoutEdges: lines.map(line => ({ source: line.from, target: line.to })),
    lines,
    docked,
    undrawn,
    blockTitles: titles.blocks,
    laneTitles: titles.lanes
  };
}

function groupScene(model: GraphModel): Scene {
  const titles = new Titles();
  const boxes = [...model.groups.values()].map(group => ({
    id: group.id,
    block: titles.block(group),
    lane: null,
    width: SHAPE.group_width,
    height: groupHeight(group, model.expanded.has(group.id))
  }));
  const lines: Line[] = [...model.groupEdges.values()]
    .filter(edge => edge.source !== edge.target && model.groups.has(edge.source) && model.groups.has(edge.target))
    .map(edge => ({ ...edge, from: edge.source, to: edge.target, dock: null }));
  return {
    boxes,
    layoutEdges: lines.map(line => ({ source: line.from, target: line.to })),
    lines,
    docked: new Map(),
    undrawn: new Map(),
    blockTitles: titles.blocks,
    laneTitles: titles.lanes
  };
}

interface Dock {
  readonly task: string;
  readonly index: number;
}

function dockObjects(model: GraphModel): {
  docked: Map<string, string[]>;
  undrawn: Map<string, number>;
  dockOf: Map<string, Dock>;
} {
  const docked = new Map<string, string[]>();
  const undrawn = new Map<string, number>();
  const dockOf = new Map<string, Dock>();
  const returns = [...model.objects.values()]
    .filter(object => !object.is_put && object.producer !== null && model.tasks.has(object.producer))
    .sort((a, b) => a.return_index - b.return_index);
  for (const object of returns) {
    const task = object.producer ?? '';
    const here = docked.get(task)?.length ?? 0;
    if (here < LIMITS.docked_objects_max) {
      push(docked, task, object.id);
      dockOf.set(object.id, { task, index: here });
    } else {
      undrawn.set(task, (undrawn.get(task) ?? 0) + 1);
      dockOf.set(object.id, { task, index: LIMITS.docked_objects_max - 1 });
    }
  }
  return { docked, undrawn, dockOf };
}

/** Objects that stand alone, by the first task in the picture that uses them. */
function freeObjects(model: GraphModel, dockOf: ReadonlyMap<string, Dock>): Map<string, string[]> {
  const free = new Map<string, string[]>();
  const seen = new Set<string>();
  for (const edge of model.edges.values()) {
    const id = edge.source;
    if (model.objects.has(id) && !dockOf.has(id) && !seen.has(id) && model.tasks.has(edge.target)) {
      seen.add(id);
      push(free, edge.target, id);
    }
  }
  return free;
}

function putBox(id: string, block: string): LayoutBox {
  return { id, block, lane: null, width: SHAPE.put_width, height: SHAPE.put_height };
}

class Titles {
  readonly blocks = new Map<string, string>();
  readonly lanes = new Map<string, string>();

  block(node: TaskNode | TaskGroup): string {
    const key = node.cell === null ? '' : `${node.cell.cell_id}\n${node.cell.label}`;
    this.blocks.set(key, node.cell?.label ?? '');
    return key;
  }

  lane(task: TaskNode): void {
    if (task.actor !== null && !this.lanes.has(task.actor)) {
      const dot = task.function.lastIndexOf('.');
      const actorClass = dot > 0 ? shortName(task.function.slice(0, dot)) : 'actor';
      this.lanes.set(task.actor, `${actorClass}  ${task.actor.slice(-4)}`);
    }
  }
}

const DOTTED = /^[\p{L}_][\p{L}\p{N}_.<>]*$/u;

/** A method with its class, a function by itself: without modules and enclosing functions. */
export function plainName(name: string): string {
  if (!DOTTED.test(name)) {
    return name;
  }
  const parts = (name.split('<locals>.').at(-1) ?? name).split('.');
  const owner = parts.at(-2) ?? '';
  return /^[A-Z]/.test(owner) ? `${owner}.${parts.at(-1)}` : (parts.at(-1) ?? name);
}

/** The last part of a dotted name; others, such as `lr=0.5`, as they are. */
export function shortName(name: string): string {
  return (DOTTED.test(name) && name.slice(name.lastIndexOf('.') + 1)) || name;
}
