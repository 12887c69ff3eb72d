/**
 * Owns what hands do on the canvas: drag, wheel, click, arrows along edges. It calls the panel, it draws nothing.
 */
import type { Rect } from './layout';
import type { GraphModel } from './model';
import type { Shown } from './pen';
import { rectCentre } from './scene';

export interface Hands {
  pan(dxPx: number, dyPx: number): void;
  zoom(factor: number, px: number, py: number): void;
  hover(px: number, py: number): void;
  leave(): void;
  press(px: number, py: number, twice: boolean): void;
  move(direction: Arrow): void;
  key(key: string): boolean;
}

export type Arrow = 'ArrowLeft' | 'ArrowRight' | 'ArrowUp' | 'ArrowDown';

const ARROWS: readonly string[] = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'];
const DRAG_MIN_PX = 4;

/** Connects the canvas; everything ends with `signal`. */
export function connect(canvas: HTMLCanvasElement, hands: Hands, signal: AbortSignal): void {
  let grabbed: { x: number; y: number; moved: boolean } | null = null;
  const on = <K extends keyof HTMLElementEventMap>(type: K, handle: (event: HTMLElementEventMap[K]) => void) =>
    canvas.addEventListener(type, handle, { signal, passive: false });

  on('pointerdown', event => {
    if (event.button === 0) {
      grabbed = { x: event.offsetX, y: event.offsetY, moved: false };
      canvas.setPointerCapture(event.pointerId);
    }
  });
  on('pointermove', event => {
    if (grabbed === null) {
      hands.hover(event.offsetX, event.offsetY);
      return;
    }
    const dx = event.offsetX - grabbed.x;
    const dy = event.offsetY - grabbed.y;
    if (grabbed.moved || Math.hypot(dx, dy) >= DRAG_MIN_PX) {
      grabbed = { x: event.offsetX, y: event.offsetY, moved: true };
      canvas.classList.add('cr-graph-grabbed');
      hands.pan(dx, dy);
    }
  });
  const release = (event: PointerEvent) => {
    if (grabbed && !grabbed.moved && event.type === 'pointerup') {
      hands.press(event.offsetX, event.offsetY, event.detail > 1);
    }
    grabbed = null;
    canvas.classList.remove('cr-graph-grabbed');
  };
  on('pointerup', release);
  on('pointercancel', release);
  on('dblclick', event => hands.press(event.offsetX, event.offsetY, true));
  on('pointerleave', () => hands.leave());
  on('wheel', event => {
    // The plain wheel belongs to the page: a notebook that stops scrolling under the mouse is a trap.
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      hands.zoom(Math.exp(-event.deltaY * 0.0022), event.offsetX, event.offsetY);
    }
  });
  on('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (ARROWS.includes(event.key)) {
      hands.move(event.key as Arrow);
      event.preventDefault();
    } else if (hands.key(event.key)) {
      event.preventDefault();
    }
    event.stopPropagation();
  });
}

/** The node that an arrow leads to: along an edge if there is one, otherwise to the nearest box on that side. */
export function nextNode(
  model: GraphModel,
  shown: ReadonlyMap<string, Shown>,
  from: string,
  arrow: Arrow
): string | null {
  const here = shown.get(from) ?? shown.get(model.objects.get(from)?.producer ?? '');
  if (!here) {
    return shown.keys().next().value ?? null;
  }
  if (arrow === 'ArrowLeft' || arrow === 'ArrowRight') {
    const along = boxesAlong(model, shown, from, arrow === 'ArrowLeft' ? 'up' : 'down');
    const nearest = nearestOf(along, here, shown);
    if (nearest !== null) {
      return nearest;
    }
  }
  const beside = [...shown.keys()].filter(id => id !== from && isOnSide(here, shown.get(id), arrow));
  return nearestOf(beside, here, shown);
}

function boxesAlong(
  model: GraphModel,
  shown: ReadonlyMap<string, Shown>,
  from: string,
  direction: 'up' | 'down'
): string[] {
  return model.neighbours(from, direction).flatMap(link => {
    if (shown.has(link.id)) {
      return [link.id];
    }
    // A docked object is no stop of its own: go on to what is behind it.
    return model
      .neighbours(link.id, direction)
      .map(beyond => beyond.id)
      .filter(id => id !== from && shown.has(id));
  });
}

function isOnSide(here: Rect, there: Rect | undefined, arrow: Arrow): boolean {
  if (!there) {
    return false;
  }
  const a = rectCentre(here);
  const b = rectCentre(there);
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  switch (arrow) {
    case 'ArrowLeft':
      return dx < 0 && Math.abs(dx) > Math.abs(dy);
    case 'ArrowRight':
      return dx > 0 && Math.abs(dx) > Math.abs(dy);
    case 'ArrowUp':
      return dy < 0 && Math.abs(dx) < here.width;
    case 'ArrowDown':
      return dy > 0 && Math.abs(dx) < here.width;
  }
}

function nearestOf(ids: readonly string[], here: Rect, shown: ReadonlyMap<string, Shown>): string | null {
  const from = rectCentre(here);
  let best: string | null = null;
  let least = Infinity;
  for (const id of ids) {
    const rect = shown.get(id);
    if (rect) {
      const to = rectCentre(rect);
      const distance = Math.hypot(to.x - from.x, to.y - from.y);
      if (distance < least) {
        least = distance;
        best = id;
      }
    }
  }
  return best;
}
