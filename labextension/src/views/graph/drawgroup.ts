/**
 * Owns the drawing of a group's box: function, stacked bar of states, counts by mark, rate; open, its tasks.
 */
import type { TaskGroup, TaskNode } from '../messages';
import { TOKENS } from '../tokens';
import { count } from '../visual';
import type { Rect } from './layout';
import { drawMark } from './marks';
import type { Frame, Shown } from './pen';
import { drawOutline, drawStrip, fitText, measure, ONE_LINE_PX, roundedBox } from './pen';
import { shortName } from './scene';
import { stateColour } from './theme';
import { detailLine, groupLine, groupTotal } from './words';

const SHAPE = TOKENS.shape;
const PAD = 10;
const TOGGLE_PX = 18;
/** As in a progress bar: what is done fills up from the left. */
const FROM_LEFT = ['finished', 'failed', 'lost', 'cancelled', 'retried', 'running', 'fetching', 'ready', 'waiting'] as const;

/** The corner that opens and closes a group, in the world's coordinates. */
export function toggleRect(rect: Rect): Rect {
  return { x: rect.x + rect.width - TOGGLE_PX - PAD - 2, y: rect.y + 5, width: TOGGLE_PX, height: TOGGLE_PX };
}

export function drawGroup(frame: Frame, group: TaskGroup, rect: Shown): void {
  const { ctx, theme, camera } = frame;
  const hovered = frame.hovered === group.id;
  ctx.setLineDash([]);
  ctx.fillStyle = theme.paper;
  ctx.strokeStyle = hovered ? theme.text : theme.line;
  ctx.lineWidth = hovered ? 2 : 1.3;
  roundedBox(ctx, rect, SHAPE.task_radius);
  ctx.fill();
  ctx.stroke();
  drawOutline(frame, group.id, rect);
  drawStrip(frame, group.function, rect);
  const bar = { x: rect.x + PAD, y: rect.y + 29, width: rect.width - 2 * PAD - 8, height: 9 };
  if (SHAPE.task_height * camera.scale < ONE_LINE_PX) {
    drawBar(frame, group, { ...bar, y: rect.y + 10, height: rect.height - 20 });
    return;
  }
  drawHead(frame, group, rect);
  drawBar(frame, group, bar);
  drawCounts(frame, group, bar.x, bar.y + 22, bar.width);
  ctx.font = `10.5px ${theme.font}`;
  ctx.fillStyle = theme.textSoft;
  ctx.textAlign = 'left';
  ctx.fillText(fitText(ctx, groupLine(group), bar.width), bar.x, rect.y + 74);
  if (frame.model.expanded.has(group.id)) {
    let y = rect.y + SHAPE.group_height;
    y = drawList(frame, 'latest', group.latest, bar.x, y, bar.width);
    drawList(frame, 'slowest', group.slowest, bar.x, y, bar.width);
  }
}

function drawHead(frame: Frame, group: TaskGroup, rect: Rect): void {
  const { ctx, theme } = frame;
  const y = rect.y + 15;
  const toggle = toggleRect(rect);
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'right';
  ctx.font = `12px ${theme.font}`;
  ctx.fillStyle = theme.textSoft;
  const total = `${count(groupTotal(group))} tasks`;
  ctx.fillText(total, toggle.x - 6, y);
  const room = toggle.x - 14 - measure(ctx, total) - rect.x - PAD;
  ctx.textAlign = 'left';
  ctx.font = `600 12.5px ${theme.font}`;
  ctx.fillStyle = theme.text;
  ctx.fillText(fitText(ctx, shortName(group.function), room), rect.x + PAD, y);
  ctx.strokeStyle = theme.textSoft;
  ctx.lineWidth = 1.2;
  roundedBox(ctx, { x: toggle.x + 1, y: toggle.y + 1, width: toggle.width - 2, height: toggle.height - 2 }, 3);
  ctx.stroke();
  const x = toggle.x + toggle.width / 2;
  const middle = toggle.y + toggle.height / 2;
  ctx.beginPath();
  ctx.moveTo(x - 4, middle);
  ctx.lineTo(x + 4, middle);
  if (!frame.model.expanded.has(group.id)) {
    ctx.moveTo(x, middle - 4);
    ctx.lineTo(x, middle + 4);
  }
  ctx.stroke();
}

function drawBar(frame: Frame, group: TaskGroup, bar: Rect): void {
  const { ctx, theme } = frame;
  const total = groupTotal(group);
  let x = bar.x;
  ctx.lineWidth = 1;
  for (const state of FROM_LEFT) {
    const width = total === 0 ? 0 : ((group.counts[state] ?? 0) / total) * bar.width;
    if (width > 0) {
      // A single failure among thousands must not be thinner than the eye can see.
      const shown = Math.max(width, 2);
      ctx.fillStyle = stateColour(state, theme);
      ctx.strokeStyle = ctx.fillStyle;
      if (TOKENS.task_states[state].solid) {
        ctx.fillRect(Math.min(x, bar.x + bar.width - shown), bar.y, shown, bar.height);
      } else {
        ctx.strokeRect(x + 0.5, bar.y + 0.5, Math.max(0, width - 1), bar.height - 1);
      }
      x += width;
    }
  }
}

function drawCounts(frame: Frame, group: TaskGroup, left: number, y: number, room: number): void {
  const { ctx, theme } = frame;
  let x = left;
  // What went wrong first: when room is short, it is what must not be cut.
  const order = ['failed', 'lost', 'retried', 'running', 'finished', 'cancelled', 'fetching', 'ready', 'waiting'] as const;
  ctx.font = `11px ${theme.font}`;
  for (const state of order) {
    const many = group.counts[state] ?? 0;
    const text = count(many);
    const width = 17 + measure(ctx, text) + 9;
    if (many === 0 || x + width - 9 > left + room) {
      continue;
    }
    drawMark(ctx, state, x + 7, y, theme, { size: 13, attempt: 1, pulse: 0, paper: theme.paper });
    ctx.font = `11px ${theme.font}`;
    ctx.textAlign = 'left';
    ctx.textBaseline = 'middle';
    ctx.fillStyle = theme.text;
    ctx.fillText(text, x + 17, y + 0.5);
    x += width;
  }
}

function drawList(
  frame: Frame,
  title: string,
  tasks: readonly TaskNode[],
  x: number,
  top: number,
  width: number
): number {
  const { ctx, theme } = frame;
  const shown = tasks.slice(0, SHAPE.group_rows_max);
  if (shown.length === 0) {
    return top;
  }
  const row = SHAPE.group_row_height;
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  ctx.font = `600 10.5px ${theme.font}`;
  ctx.fillStyle = theme.textSoft;
  ctx.fillText(title, x, top + row / 2);
  shown.forEach((task, index) => {
    const y = top + (index + 1.5) * row;
    drawMark(ctx, task.state, x + 7, y, theme, { size: 12, attempt: task.attempt, pulse: 0, paper: theme.paper });
    ctx.font = `11px ${theme.font}`;
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'right';
    ctx.fillStyle = theme.textSoft;
    const detail = fitText(ctx, detailLine(task, frame.nowS), width * 0.55);
    ctx.fillText(detail, x + width, y);
    const room = width - 17 - measure(ctx, detail) - 10;
    ctx.textAlign = 'left';
    ctx.fillStyle = theme.text;
    ctx.fillText(fitText(ctx, shortName(task.name), room), x + 17, y);
  });
  return top + (shown.length + 1) * row;
}
