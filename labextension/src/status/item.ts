/** The status-bar item: one line that says whether there is a session, and what it is doing. */

import { Widget } from '@lumino/widgets';

import type { ICellrayStatus, ISessionStatus } from '../tokens';

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

/** `2 workers · 64 done · 2 running`: states that no task is in are left out, except the first two. */
function summary({ workers, tasks }: ISessionStatus): string {
  const parts = [
    `${count(workers)} ${workers === 1 ? 'worker' : 'workers'}`,
    `${count(tasks.finished)} done`,
    `${count(tasks.running)} running`
  ];
  const queued = tasks.waiting + tasks.ready;
  if (queued > 0) {
    parts.push(`${count(queued)} queued`);
  }
  if (tasks.failed > 0) {
    parts.push(`${count(tasks.failed)} failed`);
  }
  return parts.join(' · ');
}

function tooltip({ link, session }: ICellrayStatus): string {
  if (link === 'lost') {
    return 'The Jupyter server did not answer; Cellray asks again by itself.';
  }
  if (!session) {
    return 'Run a %%remote cell or cellray.init() to start a session.';
  }
  const since = new Date(session.started_at * 1000).toLocaleTimeString();
  const nodes = `${session.nodes} ${session.nodes === 1 ? 'node' : 'nodes'}`;
  return `Session ${session.session_id}, ${nodes}, since ${since}\nGCS ${session.gcs}`;
}

const COMPACT = new Intl.NumberFormat('en', {
  notation: 'compact',
  maximumSignificantDigits: 3
});

function count(n: number): string {
  return n < 1000 ? String(n) : COMPACT.format(n).toLowerCase();
}
