/** Wires the status model to JupyterLab's status bar. */

import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { DisposableSet } from '@lumino/disposable';

import { ICellrayStatus } from '../tokens';
import { StatusItem } from './item';
import { StatusModel } from './model';
import { fetchSession } from './request';

let connected: DisposableSet | null = null;

export const statusPlugin: JupyterFrontEndPlugin<ICellrayStatus> = {
  id: 'cellray-lab:status',
  description: 'What the Cellray session is doing, in the status bar.',
  autoStart: true,
  provides: ICellrayStatus,
  optional: [IStatusBar],
  activate: (
    app: JupyterFrontEnd,
    statusBar: IStatusBar | null
  ): ICellrayStatus => {
    const settings = app.serviceManager.serverSettings;
    const model = new StatusModel(() => fetchSession(settings));
    connected = DisposableSet.from([model]);
    if (statusBar) {
      const item = new StatusItem(model);
      connected.add(item);
      connected.add(
        statusBar.registerStatusItem(statusPlugin.id, {
          item,
          align: 'left',
          rank: 100
        })
      );
    }
    return model;
  },
  deactivate: (): void => {
    connected?.dispose();
    connected = null;
  }
};
