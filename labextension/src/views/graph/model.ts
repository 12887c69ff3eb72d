/**
 * Owns what the view knows of the graph: applies deltas, notices gaps, keeps selection, search and expanded boxes.
 * Knows no DOM and no pixels.
 */
import type {
  Edge,
  EdgeKind,
  GraphDelta,
  GroupEdge,
  ObjectNode,
  TaskGroup,
  TaskNode,
  TaskStateName
} from '../messages';
import { VIEW_SCHEMA_VERSION } from '../messages';
import { TOKENS } from '../tokens';
import { push } from './layered';

export const STATES = Object.keys(TOKENS.task_states) as TaskStateName[];

/** What became of a delta. After `gap` the owner asks for a snapshot; `stale` is older than what is known. */
export type Applied = 'applied' | 'gap' | 'stale' | 'unknown-schema';
export type Direction = 'up' | 'down';

interface Link {
  readonly id: string;
  readonly kind: EdgeKind;
}

export class GraphModel {
  readonly tasks = new Map<string, TaskNode>();
  readonly objects = new Map<string, ObjectNode>();
  readonly edges = new Map<string, Edge>();
  readonly groups = new Map<string, TaskGroup>();
  readonly groupEdges = new Map<string, GroupEdge>();

  sequence = -1;
  at = 0;
  mode: GraphDelta['mode'] = 'tasks';
  totals: Readonly<Record<string, number>> = {};
  ratePerS = 0;
  dropped = 0;
  /** Records of the log that had been given up, or could not be read. */
  missedRecords = 0;
  disconnectedSince: number | null = null;
  /** When the kernel ended that told all this: nothing more will come. */
  kernelGoneSince: number | null = null;

  selected: string | null = null;
  query = '';
  critical = false;
  readonly expanded = new Set<string>();

  /** Grows with every change; `structure` only when nodes or edges came or went. */
  revision = 0;
  structure = 0;

  private links: Record<Direction, Map<string, Link[]>> | null = null;
  private readonly listeners = new Set<() => void>();

  apply(delta: GraphDelta): Applied {
    if (delta.schema !== VIEW_SCHEMA_VERSION) {
      return 'unknown-schema';
    }
    if (!delta.reset) {
      if (this.sequence >= 0 && delta.sequence <= this.sequence) {
        return 'stale';
      }
      if (delta.sequence !== this.sequence + 1) {
        return 'gap';
      }
    } else {
      this.forgetGraph();
    }
    this.sequence = delta.sequence;
    this.at = delta.at;
    this.mode = delta.mode;
    this.totals = delta.totals;
    this.ratePerS = delta.rate_per_s;
    this.dropped = delta.dropped;
    this.missedRecords = delta.missed_records;
    this.disconnectedSince = delta.disconnected_since;
    if (this.merge(delta)) {
      this.structure += 1;
      this.links = null;
    }
    if (this.selected !== null && !this.knows(this.selected)) {
      this.selected = null;
    }
    this.touch();
    return 'applied';
  }

  select(id: string | null): void {
    this.selected = id !== null && this.knows(id) ? id : null;
    this.touch();
  }

  toggleExpanded(groupId: string): void {
    if (!this.expanded.delete(groupId)) {
      this.expanded.add(groupId);
    }
    this.structure += 1;
    this.touch();
  }

  kernelGone(atS: number): void {
    this.kernelGoneSince ??= atS;
    this.touch();
  }

  /** Whether what is shown is what is so now. */
  get isLive(): boolean {
    return this.disconnectedSince === null && this.kernelGoneSince === null;
  }

  setQuery(query: string): void {
    this.query = query;
    this.touch();
  }

  setCritical(critical: boolean): void {
    this.critical = critical;
    this.touch();
  }

  /** Called after every change; the returned function ends it. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  knows(id: string): boolean {
    return this.tasks.has(id) || this.objects.has(id) || this.groups.has(id);
  }

  isEmpty(): boolean {
    return this.tasks.size === 0 && this.groups.size === 0;
  }

  /** Number of tasks in each state, over everything that ran, also what is folded or dropped. */
  total(state: TaskStateName): number {
    return this.totals[state] ?? 0;
  }

  totalTasks(): number {
    return STATES.reduce((sum, state) => sum + this.total(state), 0);
  }

  /** Ends of the edges at a node: towards its inputs (`up`) or its results (`down`). */
  neighbours(id: string, direction: Direction): readonly Link[] {
    this.links ??= this.buildLinks();
    return this.links[direction].get(id) ?? [];
  }

  /** Everything that a node was made from (`up`) or that was made from it (`down`), without the node. */
  reach(id: string, direction: Direction): Set<string> {
    const seen = new Set([id]);
    const queue = [id];
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      for (const link of this.neighbours(next, direction)) {
        if (!seen.has(link.id)) {
          seen.add(link.id);
          queue.push(link.id);
        }
      }
    }
    seen.delete(id);
    return seen;
  }

  /** Tasks or groups that have every word of the query in their name, function, state, cell, error or id. */
  matches(): Set<string> | null {
    const words = this.query.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) {
      return null;
    }
    const found = new Set<string>();
    const keep = (id: string, text: string) => {
      const lower = text.toLowerCase();
      if (words.every(word => lower.includes(word))) {
        found.add(id);
      }
    };
    for (const t of this.tasks.values()) {
      const state = TOKENS.task_states[t.state].label;
      keep(t.id, [t.name, t.function, state, t.cell?.label, t.error, t.worker, t.id].join(' '));
    }
    for (const g of this.groups.values()) {
      const states = STATES.filter(state => g.counts[state]);
      keep(g.id, [g.function, g.cell?.label, ...states].join(' '));
    }
    return found;
  }

  private forgetGraph(): void {
    for (const known of [this.tasks, this.objects, this.edges, this.groups, this.groupEdges]) {
      known.clear();
    }
    this.links = null;
    this.structure += 1;
  }

  private merge(delta: GraphDelta): boolean {
    const size = () => this.tasks.size + this.objects.size + this.edges.size + this.groups.size + this.groupEdges.size;
    const before = size();
    delta.tasks.forEach(task => this.tasks.set(task.id, task));
    delta.objects.forEach(object => this.objects.set(object.id, object));
    delta.groups.forEach(group => this.groups.set(group.id, group));
    delta.edges.forEach(edge => this.edges.set(edgeKey(edge), edge));
    delta.group_edges.forEach(edge => this.groupEdges.set(edgeKey(edge), edge));
    const grown = size() !== before;
    return this.remove(delta.removed) || grown;
  }

  private remove(ids: readonly string[]): boolean {
    if (ids.length === 0) {
      return false;
    }
    const gone = new Set(ids);
    for (const id of gone) {
      this.tasks.delete(id);
      this.objects.delete(id);
      this.groups.delete(id);
      this.expanded.delete(id);
    }
    for (const edges of [this.edges, this.groupEdges]) {
      for (const [key, edge] of edges) {
        if (gone.has(edge.source) || gone.has(edge.target)) {
          edges.delete(key);
        }
      }
    }
    return true;
  }

  private buildLinks(): Record<Direction, Map<string, Link[]>> {
    const up = new Map<string, Link[]>();
    const down = new Map<string, Link[]>();
    const link = (source: string, target: string, kind: EdgeKind) => {
      if (source === target || !this.knows(source) || !this.knows(target)) {
        return;
      }
      push(down, source, { id: target, kind });
      push(up, target, { id: source, kind });
    };
    const seen = this.mode === 'tasks' ? this.edges : this.groupEdges;
    for (const edge of seen.values()) {
      link(edge.source, edge.target, edge.kind);
    }
    // A task's results belong to it even when the edge has not been told.
    for (const object of this.objects.values()) {
      if (object.producer !== null && !this.edges.has(`data|${object.producer}|${object.id}`)) {
        link(object.producer, object.id, 'data');
      }
    }
    return { up, down };
  }

  private touch(): void {
    this.revision += 1;
    this.listeners.forEach(listener => listener());
  }
}

export function edgeKey(edge: { kind: EdgeKind; source: string; target: string }): string {
  return `${edge.kind}|${edge.source}|${edge.target}`;
}
