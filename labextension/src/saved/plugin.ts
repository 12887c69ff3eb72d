/** Puts the renderer of saved views before the one of widgets, in each notebook. */

import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import type { ISessionContext } from '@jupyterlab/apputils';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { DisposableDelegate } from '@lumino/disposable';
import type { IDisposable } from '@lumino/disposable';
import type { Widget } from '@lumino/widgets';

import { SavedViewRenderer, VIEW_MIME, WIDGET_MIME } from './renderer';

/** Lower is preferred; the widgets of ipywidgets have -10. */
const RANK = -20;

export const savedViewPlugin: JupyterFrontEndPlugin<void> = {
  id: 'cellray-lab:saved-view',
  description: 'Shows the saved picture of a view whose kernel is gone.',
  autoStart: true,
  activate: (app: JupyterFrontEnd): void => {
    app.docRegistry.addWidgetExtension('Notebook', {
      createNew: (panel, context) =>
        extend(rendermimeOf(panel), context.sessionContext)
    });
  }
};

/** What is used of a notebook's panel. */
interface INotebookPanel {
  readonly content: { readonly rendermime: IRenderMimeRegistry };
}

function rendermimeOf(panel: Widget): IRenderMimeRegistry {
  return (panel as Widget & INotebookPanel).content.rendermime;
}

function extend(rendermime: IRenderMimeRegistry, session: ISessionContext): IDisposable {
  const renderers = new Set<SavedViewRenderer>();
  rendermime.addFactory(
    {
      safe: true,
      mimeTypes: [VIEW_MIME],
      createRenderer: () => {
        const renderer = new SavedViewRenderer(() =>
          rendermime.getFactory(WIDGET_MIME) ? rendermime.createRenderer(WIDGET_MIME) : null
        );
        renderers.add(renderer);
        renderer.disposed.connect(() => renderers.delete(renderer));
        return renderer;
      }
    },
    RANK
  );
  let factory = rendermime.getFactory(WIDGET_MIME);
  // ipywidgets replaces its factory by one that knows the kernel, after the kernel has come, without a word.
  const lookAgain = () => {
    const now = rendermime.getFactory(WIDGET_MIME);
    if (now !== factory) {
      factory = now;
      renderers.forEach(renderer => renderer.isLive || renderer.connect());
    }
  };
  session.statusChanged.connect(lookAgain);
  session.connectionStatusChanged.connect(lookAgain);
  void session.ready.then(() => setTimeout(lookAgain));
  return new DisposableDelegate(() => {
    session.statusChanged.disconnect(lookAgain);
    session.connectionStatusChanged.disconnect(lookAgain);
    rendermime.removeMimeType(VIEW_MIME);
  });
}
