/**
 * Owns the drawing of edges: data solid, control thin and dashed, stateful thick and dotted along the lane.
 */
import type { EdgeKind } from '../messages';
import { TOKENS } from '../tokens';
import { overlaps } from './camera';
import type { Rect } from './layout';
import { FADED, isLit } from './pen';
import type { Frame } from './pen';
import type { Line } from './scene';
import { dockY } from './scene';

type Emphasis = 'faded' | 'plain' | 'lit' | 'path';
const BACK_TO_FRONT: readonly Emphasis[] = ['faded', 'plain', 'lit', 'path'];
const ARROW_SCALE_MIN = 0.4;
const SHAPE = TOKENS.shape;

interface Curve {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  readonly bend: number;
  /** Where the line leaves its wrapped layer and where it reaches that of its target, each along the gap of a row. */
  readonly out: Turn | null;
  readonly in: Turn | null;
}

interface Turn {
  readonly x: number;
  readonly y: number;
}

/** Lines of one look are stroked as one path: thousands of them cost one call. */
export function drawLines(frame: Frame, sight: Rect): void {
  const batches = new Map<string, Curve[]>();
  for (const line of frame.scene.lines) {
    const curve = curveOf(frame, line);
    if (curve && overlaps(boundsOf(curve), sight)) {
      const key = `${emphasis(frame, line)} ${line.kind}`;
      const batch = batches.get(key) ?? [];
      batch.push(curve);
      batches.set(key, batch);
    }
  }
  for (const level of BACK_TO_FRONT) {
    for (const kind of ['control', 'data', 'stateful'] as const) {
      const curves = batches.get(`${level} ${kind}`);
      if (curves) {
        strokeAll(frame, curves, kind, level);
      }
    }
  }
  frame.ctx.setLineDash([]);
}

function strokeAll(frame: Frame, curves: readonly Curve[], kind: EdgeKind, level: Emphasis): void {
  const { ctx, theme, camera } = frame;
  const style = TOKENS.edges[kind];
  const strong = level === 'lit' || level === 'path';
  ctx.globalAlpha = level === 'faded' ? FADED : 1;
  ctx.strokeStyle = level === 'path' ? theme.text : level === 'lit' ? theme.accent : theme.edge;
  ctx.fillStyle = ctx.strokeStyle;
  // Far away a line thinner than half a pixel would vanish.
  const larger = kind === 'stateful' ? Math.max(1, 0.75 / camera.scale) : 1;
  ctx.lineWidth = Math.max((style.width + (strong ? 0.9 : 0)) * larger, 0.45 / camera.scale);
  ctx.setLineDash(style.dash.map(length => length * larger));
  ctx.lineCap = kind === 'stateful' ? 'round' : 'butt';
  ctx.beginPath();
  curves.forEach(curve => trace(ctx, curve));
  ctx.stroke();
  ctx.lineCap = 'butt';
  if (style.arrow && camera.scale >= ARROW_SCALE_MIN) {
    ctx.beginPath();
    for (const { x2, y2 } of curves) {
      ctx.moveTo(x2 + 1, y2);
      ctx.lineTo(x2 - 6, y2 - 3.2);
      ctx.lineTo(x2 - 6, y2 + 3.2);
    }
    ctx.fill();
  }
}

function trace(ctx: CanvasRenderingContext2D, curve: Curve): void {
  const { x1, y1, x2, y2, bend, out, in: into } = curve;
  const turn = SHAPE.column_gap - 4;
  ctx.moveTo(x1, y1);
  if (out) {
    ctx.bezierCurveTo(x1 + turn, y1, x1 + turn / 3, out.y, x1 + turn, out.y);
    ctx.lineTo(out.x, out.y);
  }
  const from = out ?? { x: x1, y: y1 };
  const to = into ?? { x: x2, y: y2 };
  ctx.bezierCurveTo(from.x + bend, from.y, to.x - bend, to.y, to.x, to.y);
  if (into) {
    ctx.lineTo(x2 - turn, into.y);
    ctx.bezierCurveTo(x2 - turn / 3, into.y, x2 - turn, y2, x2, y2);
  }
}

function curveOf(frame: Frame, line: Line): Curve | null {
  const from = frame.shown.get(line.from);
  const to = frame.shown.get(line.to);
  if (!from || !to) {
    return null;
  }
  const docks = frame.scene.docked.get(line.from)?.length ?? 1;
  const x1 = from.x + from.width;
  const x2 = to.x;
  let y1 = from.y + (line.dock === null ? from.height / 2 : dockY(line.dock, docks, from.height));
  let y2 = to.y + to.height / 2;
  if (line.kind === 'stateful') {
    y1 = from.y + from.height * 0.78;
    y2 = to.y + to.height * 0.78;
  }
  const source = frame.positions.spans.get(line.from);
  const target = frame.positions.spans.get(line.to);
  const sameLayer = source !== undefined && source.left === target?.left;
  const out =
    source && !sameLayer && x1 < source.right - 1
      ? { x: source.right, y: from.y + from.height + SHAPE.row_gap * 0.35 }
      : null;
  const into =
    target && !sameLayer && x2 > target.left + 1 ? { x: target.left, y: to.y - SHAPE.row_gap * 0.35 } : null;
  const along = (into?.x ?? x2) - (out?.x ?? x1);
  const bend = along >= 0 ? Math.max(18, Math.min(along * 0.5, 120)) : Math.min(160, 40 - along * 0.25);
  return { x1, y1, x2, y2, out, in: into, bend: line.kind === 'stateful' && along > 0 ? along / 3 : bend };
}

function boundsOf({ x1, y1, x2, y2, bend }: Curve): Rect {
  const x = Math.min(x1, x2 - bend);
  const y = Math.min(y1, y2) - SHAPE.task_height;
  return { x, y, width: Math.max(x1 + bend, x2) - x, height: Math.abs(y2 - y1) + 2 * SHAPE.task_height };
}

function emphasis(frame: Frame, line: Line): Emphasis {
  if (frame.path.has(line.from) && frame.path.has(line.to) && (frame.path.has(line.source) || line.dock === null)) {
    return 'path';
  }
  if (frame.lit === null) {
    return 'plain';
  }
  const bright = isLit(frame, line.source) && isLit(frame, line.target);
  return bright ? (frame.model.selected === null ? 'plain' : 'lit') : 'faded';
}
