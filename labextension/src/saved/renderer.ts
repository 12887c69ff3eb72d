/**
 * One view of Cellray in a notebook's output: live while its widget can be had, otherwise the picture that was saved
 * with it. Without this, a notebook that is opened again says "Error displaying widget: model not found".
 */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Panel } from '@lumino/widgets';
import type { Widget } from '@lumino/widgets';

import { Picture } from './picture';

export const VIEW_MIME = 'application/vnd.cellray.view+json';
export const WIDGET_MIME = 'application/vnd.jupyter.widget-view+json';
const SVG_MIME = 'image/svg+xml';

/** A widget of a running kernel is there sooner: its picture would only flash up. */
const PICTURE_AFTER_MS = 300;

/** Makes the renderer of widgets that is in force; null when there is none. */
export type MakeWidgetRenderer = () => IRenderMime.IRenderer | null;

export class SavedViewRenderer extends Panel implements IRenderMime.IRenderer {
  constructor(makeWidgetRenderer: MakeWidgetRenderer) {
    super();
    this._makeWidgetRenderer = makeWidgetRenderer;
    this.addClass('cr-SavedView');
    this._picture.hide();
    this.addWidget(this._picture);
    this._observer = new MutationObserver(() => this._choose());
    this._timer = window.setTimeout(() => {
      this._timer = 0;
      this._choose();
    }, PICTURE_AFTER_MS);
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._model = model;
    this._picture.setSource(text(model.data[SVG_MIME]), text(model.data['text/plain']));
    // The live view knows more than the bundle: it is not made anew when only its picture is.
    if (!this._isLive || modelId(model) !== this._shownId) {
      this.connect();
    }
    this._choose();
  }

  /** Tries to get the live view, as when a kernel has come. */
  connect(): void {
    const model = this._model;
    this._live?.dispose();
    this._live = null;
    this._observer.disconnect();
    // What is not trusted gets no code to run, only its picture.
    const live = model?.trusted ? this._makeWidgetRenderer() : null;
    if (model && live) {
      this._live = live;
      this._shownId = modelId(model);
      live.hide();
      this.addWidget(live);
      this._observer.observe(live.node, { childList: true });
      void live.renderModel(model).then(() => this._choose());
    }
  }

  get isLive(): boolean {
    return this._isLive;
  }

  override dispose(): void {
    window.clearTimeout(this._timer);
    this._observer.disconnect();
    super.dispose();
  }

  /** While it loads, and when it fails, the widget's renderer has words in it but no element. */
  private get _isLive(): boolean {
    return Boolean(this._live?.node.firstElementChild);
  }

  private _choose(): void {
    if (this.isDisposed) {
      return;
    }
    const live = this._isLive;
    const picture = !live && this._timer === 0 && this._picture.hasSource;
    // Without a picture the words of the widget's renderer are better than nothing.
    this._live?.setHidden(!live && (this._picture.hasSource || this._timer !== 0));
    this._picture.setHidden(!picture);
    this.node.dataset['shows'] = live ? 'live' : 'picture';
  }

  private readonly _makeWidgetRenderer: MakeWidgetRenderer;
  private readonly _picture = new Picture();
  private readonly _observer: MutationObserver;
  private _live: (IRenderMime.IRenderer & Widget) | null = null;
  private _model: IRenderMime.IMimeModel | null = null;
  private _shownId = '';
  private _timer: number;
}

function modelId(model: IRenderMime.IMimeModel): string {
  const view = model.data[WIDGET_MIME] as { readonly model_id?: string } | undefined;
  return view?.model_id ?? '';
}

/** Notebooks keep long texts as lists of lines. */
function text(value: unknown): string {
  return Array.isArray(value) ? value.join('') : typeof value === 'string' ? value : '';
}
