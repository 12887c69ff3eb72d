/** Asks the Jupyter server what the Cellray session is doing, and keeps the answer. Knows no DOM. */

import { JSONExt } from '@lumino/coreutils';
import type { JSONValue } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { ICellrayStatus, ISessionStatus, Link } from '../tokens';

const POLL_MS = 2000;
const POLL_BUSY_MS = 700;
/** After failures the poll backs off up to this. */
const POLL_MS_MAX = 30_000;

export class StatusModel implements ICellrayStatus, IDisposable {
  constructor(fetchSession: () => Promise<ISessionStatus | null>) {
    this._fetchSession = fetchSession;
    this._poll = new Poll({
      name: 'cellray-lab:status',
      frequency: { interval: POLL_MS, backoff: true, max: POLL_MS_MAX },
      standby: 'when-hidden',
      factory: () => this._refresh()
    });
  }

  get link(): Link {
    return this._link;
  }

  get session(): ISessionStatus | null {
    return this._session;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._poll.dispose();
    Signal.clearData(this);
  }

  private async _refresh(): Promise<void> {
    try {
      const session = await this._fetchSession();
      this._set('live', session);
      this._pace(session);
    } catch (reason) {
      // The last session stays readable; the poll sees the failure and backs off.
      this._set('lost', this._session);
      throw reason;
    }
  }

  /** Looks more often while something runs. */
  private _pace(session: ISessionStatus | null): void {
    const { tasks } = session ?? {};
    const busy = tasks && tasks.running + tasks.ready + tasks.waiting > 0;
    const interval = busy ? POLL_BUSY_MS : POLL_MS;
    if (interval !== this._poll.frequency.interval && !this.isDisposed) {
      this._poll.frequency = { ...this._poll.frequency, interval };
    }
  }

  private _set(link: Link, session: ISessionStatus | null): void {
    const same =
      link === this._link &&
      JSONExt.deepEqual(
        session as unknown as JSONValue,
        this._session as unknown as JSONValue
      );
    if (same || this.isDisposed) {
      return;
    }
    this._link = link;
    this._session = session;
    this._changed.emit();
  }

  private readonly _fetchSession: () => Promise<ISessionStatus | null>;
  private readonly _poll: Poll;
  private readonly _changed = new Signal<this, void>(this);
  private _link: Link = 'waiting';
  private _session: ISessionStatus | null = null;
}
