/**
 * Owns the wiring between a widget model and the panel. One session a model, made when the model arrives and kept for
 * as long as it lives, however often its output is rendered.
 */
import type { GraphDelta } from '../messages';
import { GraphPanel } from './panel';
import { GraphSession } from './session';

/** What is used of an anywidget model. */
interface WidgetModel {
  get(name: 'snapshot'): GraphDelta | null;
  get(name: 'title'): string | undefined;
  send(message: { readonly type: 'snapshot' }): void;
  on(event: 'msg:custom', handle: (message: unknown) => void): void;
  on(event: 'comm_live_update', handle: () => void): void;
  off(event: 'msg:custom', handle: (message: unknown) => void): void;
  off(event: 'comm_live_update', handle: () => void): void;
}

interface DeltaMessage {
  readonly type: 'delta';
  readonly delta: GraphDelta;
}

const ASK_AGAIN_MS = 2000;

/**
 * Called once for each widget model. `initialize` and `render` get different objects for the same model, so that
 * nothing can be remembered by those: the session lives in this closure.
 */
export default function widget() {
  const session = new GraphSession();
  return {
    initialize: ({ model }: { model: WidgetModel }) => listen(model, session),
    render: ({ el }: { el: HTMLElement }) => {
      const panel = new GraphPanel(el, session);
      return () => panel.dispose();
    }
  };
}

function listen(model: WidgetModel, session: GraphSession): () => void {
  let askedAt = -Infinity;
  const askForSnapshot = () => {
    if (performance.now() - askedAt > ASK_AGAIN_MS) {
      askedAt = performance.now();
      model.send({ type: 'snapshot' });
    }
  };
  const handle = (message: unknown) => {
    if (isDelta(message) && session.model.apply(message.delta) === 'gap') {
      askForSnapshot();
    }
  };
  // ipywidgets says so when the kernel has restarted or died; the model stays, but nobody speaks to it.
  const gone = () => session.model.kernelGone(Date.now() / 1000);
  model.on('msg:custom', handle);
  model.on('comm_live_update', gone);
  session.title = model.get('title') ?? '';
  const known = model.get('snapshot');
  if (known) {
    session.model.apply(known);
  }
  // Deltas may have passed between the making of the model and this moment.
  askForSnapshot();
  return () => {
    model.off('msg:custom', handle);
    model.off('comm_live_update', gone);
  };
}

function isDelta(message: unknown): message is DeltaMessage {
  return typeof message === 'object' && message !== null && (message as { type?: unknown }).type === 'delta';
}
