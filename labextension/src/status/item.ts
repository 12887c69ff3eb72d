/** The status-bar item: one line that says whether there is a session, and what it is doing. */

import { Widget } from '@lumino/widgets';

import type { ICellrayStatus, ISessionStatus, ITaskCounts } from '../tokens';

export class StatusItem extends Widget {
  constructor(model: ICellrayStatus) {
    super();
    this._model = model;
    this.addClass('cr-Status');
    this.node.dataset['testid'] = 'cellray-status';
    model.changed.connect(this._render, this);
    this._render();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._model.changed.disconnect(this._render, this);
    }
    super.dispose();
  }

  private _render(): void {
    this.node.dataset['link'] = this._model.link;
    this.node.textContent = label(this._model);
    this.node.title = tooltip(this._model);
  }

  private readonly _model: ICellrayStatus;
}

function label({ link, session }: ICellrayStatus): string {
  if (link === 'lost') {
    return 'Cellray: not reachable';
  }
  return session ? `Cellray: ${summary(session)}` : 'Cellray: no session';
}

/** `64 done · 2 running · 4 queued`: states that no task is in are left out. */
function summary({ tasks }: ISessionStatus): string {
  const parts = states(tasks);
  return parts.length > 0 ? parts.join(' · ') : 'ready';
}

function states(tasks: ITaskCounts): string[] {
  const counts: readonly (readonly [number, string])[] = [
    [tasks.finished, 'done'],
    [tasks.running, 'running'],
    [tasks.waiting + tasks.ready, 'queued'],
    [tasks.failed, 'failed'],
    [tasks.cancelled, 'cancelled']
  ];
  return counts.filter(([many]) => many > 0).map(([many, word]) => `${count(many)} ${word}`);
}

function tooltip({ link, session }: ICellrayStatus): string {
  if (link === 'lost') {
    return 'The Jupyter server did not answer; Cellray asks again by itself.';
  }
  if (!session) {
    return 'Run a %%remote cell or cellray.init() to start a session.';
  }
  const since = new Date(session.started_at * 1000).toLocaleTimeString([], { hour12: false });
  return [
    `Tasks: ${states(session.tasks).join(', ') || 'none yet'}`,
    `Workers: ${session.workers}, on ${plural(session.nodes, 'node')}`,
    `Session: ${session.session_id}, since ${since}`,
    `GCS: ${session.gcs}`
  ].join('\n');
}

function plural(n: number, word: string): string {
  return `${count(n)} ${word}${n === 1 ? '' : 's'}`;
}

const COMPACT = new Intl.NumberFormat('en', {
  notation: 'compact',
  maximumSignificantDigits: 3
});

function count(n: number): string {
  return n < 1000 ? String(n) : COMPACT.format(n).toLowerCase();
}
