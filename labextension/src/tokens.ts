/** What other plugins may ask of this extension. */

import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

/** How many tasks of the session are in each state. */
export interface ITaskCounts {
  readonly waiting: number;
  readonly ready: number;
  readonly running: number;
  readonly finished: number;
  readonly failed: number;
  readonly cancelled: number;
}

/** One running session, as `cellray.observe.session_status()` describes it. */
export interface ISessionStatus {
  readonly session_id: string;
  /** Seconds since the epoch. */
  readonly started_at: number;
  readonly nodes: number;
  readonly workers: number;
  readonly tasks: ITaskCounts;
  /** Address of the GCS, for people. */
  readonly gcs: string;
}

/** `waiting`: no answer yet. `lost`: the last request to the Jupyter server failed. */
export type Link = 'waiting' | 'live' | 'lost';

/** The session that the Jupyter server sees now, kept up to date while the page is visible. */
export interface ICellrayStatus {
  readonly link: Link;
  /** The last known session; null when there is none. */
  readonly session: ISessionStatus | null;
  /** Emitted when `link` or `session` has changed. */
  readonly changed: ISignal<ICellrayStatus, void>;
}

export const ICellrayStatus = new Token<ICellrayStatus>(
  'cellray-lab:ICellrayStatus',
  'The Cellray session that the Jupyter server sees, kept up to date.'
);
