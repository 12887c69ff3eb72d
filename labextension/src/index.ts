/** Wires the plugins of the Cellray extension; each feature lives in a folder of its own. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { statusPlugin } from './status/plugin';

const plugins: JupyterFrontEndPlugin<unknown>[] = [statusPlugin];

export default plugins;
export { ICellrayStatus } from './tokens';
