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
  send(message: { readonly type: 'snapshot' }): void;
  on(event: 'msg:custom', handle: (message: unknown) => void): void;
  off(event: 'msg:custom', handle: (message: unknown) => void): void;
}

interface DeltaMessage {
  readonly type: 'delta';
  readonly delta: GraphDelta;
}

const ASK_AGAIN_MS = 2000;
const sessions = new WeakMap<WidgetModel, GraphSession>();

function initialize({ model }: { model: WidgetModel }): () => void {
  const session = new GraphSession();
  sessions.set(model, session);
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
  model.on('msg:custom', handle);
  const known = model.get('snapshot');
  if (known) {
    session.model.apply(known);
  }
  // Deltas may have passed between the making of the model and this moment.
  askForSnapshot();
  return () => {
    model.off('msg:custom', handle);
    sessions.delete(model);
  };
}

function render({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
  const session = sessions.get(model);
  if (!session) {
    throw new Error('render was called before initialize');
  }
  const panel = new GraphPanel(el, session);
  return () => panel.dispose();
}

function isDelta(message: unknown): message is DeltaMessage {
  return typeof message === 'object' && message !== null && (message as { type?: unknown }).type === 'delta';
}

export default { initialize, render };
