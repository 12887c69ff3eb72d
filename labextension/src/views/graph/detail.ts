/**
 * Owns the card with everything known of the selected node; the only place where ids are shown.
 */
import type { TaskNode } from '../messages';
import { TOKENS } from '../tokens';
import { clockTime, count, dataSize, duration } from '../visual';
import { button, element, withText } from './chrome';
import { markSvg } from './marks';
import type { GraphModel } from './model';
import { STATES } from './model';
import type { Theme } from './theme';
import { groupLine, tookS } from './words';

type Row = readonly [string, string];

export class DetailCard {
  readonly root = element('aside', 'cr-graph-detail');
  private shownKey = '';

  constructor(private readonly close: () => void) {
    this.root.setAttribute('aria-label', 'Selected');
    this.root.dataset['testid'] = 'cellray-graph-detail';
    this.root.hidden = true;
  }

  update(model: GraphModel, theme: Theme): void {
    const { selected } = model;
    this.root.hidden = selected === null;
    const key = `${selected}|${model.revision}|${theme.mode}`;
    if (selected === null || key === this.shownKey) {
      return;
    }
    this.shownKey = key;
    const scroll = this.root.scrollTop;
    const task = model.tasks.get(selected);
    this.root.replaceChildren(...(task ? this.task(task, theme) : this.other(model, selected)));
    this.root.scrollTop = scroll;
  }

  private task(task: TaskNode, theme: Theme): HTMLElement[] {
    const head = this.head(task.name);
    head.prepend(markSvg(task.state, theme, 18, task.attempt));
    const took = tookS(task);
    const rows: Row[] = [
      ['state', TOKENS.task_states[task.state].explain],
      ['function', task.function === task.cell?.label ? '' : task.function],
      ['cell', task.cell === null ? '' : task.cell.label + (task.cell.line === null ? '' : `, line ${task.cell.line}`)],
      ['submitted', clockTime(task.submitted_at)],
      ['waited', task.started_at === null ? '' : duration(Math.max(0, task.started_at - task.submitted_at))],
      ['ran', took === null ? '' : duration(took)],
      ['attempt', task.attempt === 0 ? '' : String(task.attempt + 1)],
      ['worker', task.worker ?? ''],
      ['actor', task.actor ?? ''],
      ['id', task.id]
    ];
    const parts: HTMLElement[] = [head, list(rows)];
    if (task.error !== null) {
      parts.push(withText(element('pre', ''), task.error));
    }
    return parts;
  }

  private other(model: GraphModel, id: string): HTMLElement[] {
    const group = model.groups.get(id);
    if (group) {
      const counts: Row[] = STATES.filter(state => group.counts[state]).map(state => [
        TOKENS.task_states[state].label,
        count(group.counts[state] ?? 0)
      ]);
      const rows: Row[] = [['cell', group.cell?.label ?? ''], ...counts, ['speed', groupLine(group)]];
      return [this.head(group.function), list(rows)];
    }
    const object = model.objects.get(id);
    const producer = model.tasks.get(object?.producer ?? '')?.name ?? object?.producer ?? '';
    const rows: Row[] = [
      ['state', object ? TOKENS.object_states[object.state].label : ''],
      ['size', object && object.object_bytes !== null ? dataSize(object.object_bytes) : ''],
      [object?.is_put ? 'put by' : 'made by', producer],
      ['used by', String(model.neighbours(id, 'down').length)],
      ['id', id]
    ];
    return [this.head(object?.is_put ? 'Object that was put' : 'Result'), list(rows)];
  }

  private head(title: string): HTMLElement {
    const head = element('header', '');
    head.append(withText(element('strong', ''), title), button('Close', 'Let go of the selection (Escape)', this.close));
    return head;
  }
}

function list(rows: readonly Row[]): HTMLElement {
  const dl = element('dl', '');
  for (const [term, value] of rows) {
    if (value !== '') {
      dl.append(withText(element('dt', ''), term), withText(element('dd', ''), value));
    }
  }
  return dl;
}
