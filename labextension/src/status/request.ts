/** The one request that the status needs, through Jupyter's own connection and its authentication. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { ISessionStatus } from '../tokens';

export async function fetchSession(
  settings: ServerConnection.ISettings
): Promise<ISessionStatus | null> {
  const url = URLExt.join(settings.baseUrl, 'cellray', 'status');
  const response = await ServerConnection.makeRequest(url, {}, settings);
  if (!response.ok) {
    throw await ServerConnection.ResponseError.create(response);
  }
  const body = (await response.json()) as { session: ISessionStatus | null };
  return body.session;
}
