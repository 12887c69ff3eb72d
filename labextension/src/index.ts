/** Wires the plugins of the Cellray extension; each feature lives in a folder of its own. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { savedViewPlugin } from './saved/plugin';
import { statusPlugin } from './status/plugin';

const plugins: JupyterFrontEndPlugin<unknown>[] = [statusPlugin, savedViewPlugin];

export default plugins;
export { ICellrayStatus } from './tokens';
