/**
 * Owns what all canvas drawing shares: the frame that is drawn, boxes and their outlines, labels that never overflow.
 */
import { TOKENS } from '../tokens';
import type { Camera, Size } from './camera';
import type { Positions, Rect } from './layout';
import type { GraphModel } from './model';
import type { Scene } from './scene';
import type { Theme } from './theme';
import { hue } from './theme';

const SHAPE = TOKENS.shape;

/** Everything that one drawing of the picture depends on. */
export interface Frame {
  readonly ctx: CanvasRenderingContext2D;
  readonly size: Size;
  readonly camera: Camera;
  readonly theme: Theme;
  readonly model: GraphModel;
  readonly scene: Scene;
  readonly positions: Positions;
  /** Where boxes are drawn at this moment of their slide, and how much they have faded in. */
  readonly shown: ReadonlyMap<string, Shown>;
  /** Nodes that stay bright (`null`: all of them) and those on the critical path. */
  readonly lit: ReadonlySet<string> | null;
  readonly path: ReadonlySet<string>;
  readonly found: ReadonlySet<string> | null;
  readonly hovered: string | null;
  readonly pulse: number;
  readonly nowS: number;
}

export interface Shown extends Rect {
  alpha: number;
}

/** Below these zooms only one line fits, or none: pixels of a box's height on the screen. */
export const TWO_LINES_PX = 24;
export const ONE_LINE_PX = 12;
export const FADED = 0.2;

export function isLit(frame: Frame, id: string): boolean {
  return frame.lit === null || frame.lit.has(id);
}

export function roundedBox(ctx: CanvasRenderingContext2D, rect: Rect, radius: number): void {
  ctx.beginPath();
  ctx.roundRect(rect.x, rect.y, rect.width, rect.height, radius);
}

const widths = new Map<string, number>();
const fitted = new Map<string, string>();

/** Like `fitText`; of `seed=17`, when there is no room for it, what tells it from the others. */
export function fitName(ctx: CanvasRenderingContext2D, name: string, width: number): string {
  const value = name.slice(name.indexOf('=') + 1);
  return fitText(ctx, measure(ctx, name) > width && value && !value.includes('=') ? value : name, width);
}

/** The text, shortened at its end until it is at most `width` wide in the context's font. */
export function fitText(ctx: CanvasRenderingContext2D, text: string, width: number): string {
  const key = `${ctx.font}|${Math.round(width)}|${text}`;
  const known = fitted.get(key);
  if (known !== undefined) {
    return known;
  }
  let shown = text;
  if (measure(ctx, text) > width) {
    let low = 0;
    let high = text.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (measure(ctx, `${text.slice(0, middle)}…`) <= width) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    shown = low > 0 ? `${text.slice(0, low)}…` : '';
  }
  remember(fitted, key, shown);
  return shown;
}

export function measure(ctx: CanvasRenderingContext2D, text: string): number {
  const key = `${ctx.font}|${text}`;
  const known = widths.get(key);
  if (known !== undefined) {
    return known;
  }
  const { width } = ctx.measureText(text);
  remember(widths, key, width);
  return width;
}

const REMEMBERED_MAX = 20000;

/** Zooming makes a new font at every step: the memory is emptied rather than left to grow. */
function remember<V>(memory: Map<string, V>, key: string, value: V): void {
  if (memory.size >= REMEMBERED_MAX) {
    memory.clear();
  }
  memory.set(key, value);
}

/** The function's hue, as a strip inside the right edge. */
export function drawStrip(frame: Frame, functionName: string, rect: Rect): void {
  const { ctx } = frame;
  const width = SHAPE.function_strip_width;
  ctx.fillStyle = hue(functionName, frame.theme);
  ctx.beginPath();
  ctx.roundRect(rect.x + rect.width - width - 7, rect.y + 5, width, rect.height - 10, width / 2);
  ctx.fill();
}

/** Selected, found or on the critical path: a second outline around the box. */
export function drawOutline(frame: Frame, id: string, rect: Rect): void {
  const { ctx, theme } = frame;
  const selected = frame.model.selected === id;
  const found = frame.found?.has(id) ?? false;
  if (!selected && !found && !frame.path.has(id)) {
    return;
  }
  const gap = 3;
  const around = { x: rect.x - gap, y: rect.y - gap, width: rect.width + 2 * gap, height: rect.height + 2 * gap };
  ctx.strokeStyle = frame.path.has(id) && !selected ? theme.text : theme.accent;
  ctx.lineWidth = Math.max(2, (selected ? 2 : 1.4) / frame.camera.scale);
  roundedBox(ctx, around, SHAPE.task_radius + gap);
  ctx.stroke();
}
