/**
 * Owns one drawing of the task graph: cells, lanes, edges, task boxes and objects, back to front.
 */
import type { ObjectNode, TaskNode } from '../messages';
import { TOKENS } from '../tokens';
import { dataSize, objectRadius } from '../visual';
import { overlaps, visible } from './camera';
import { drawGroup } from './drawgroup';
import { drawLines } from './drawlines';
import type { Rect } from './layout';
import { drawMark } from './marks';
import { drawOutline, drawStrip, FADED, fitName, fitText, isLit, measure, ONE_LINE_PX, roundedBox, TWO_LINES_PX } from './pen';
import type { Frame, Shown } from './pen';
import { dockY, shortName } from './scene';
import { mix, stateColour } from './theme';
import { detailLine } from './words';

const SHAPE = TOKENS.shape;

export function drawFrame(frame: Frame, ratio: number): void {
  const { ctx, size, camera } = frame;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, size.width, size.height);
  const zoom = ratio * camera.scale;
  ctx.setTransform(zoom, 0, 0, zoom, -camera.x * zoom, -camera.y * zoom);
  const sight = visible(camera, size);
  drawCells(frame, sight);
  drawLanes(frame, sight);
  drawLines(frame, sight);
  for (const [id, shown] of frame.shown) {
    if (overlaps(shown, sight)) {
      drawBox(frame, id, shown);
    }
  }
  ctx.globalAlpha = 1;
}

/** A font's size in the world: `basePx`, larger when the zoom would bring it below `leastPx`, at most `mostPx`. */
function legible(basePx: number, leastPx: number, scale: number, mostPx: number): number {
  return Math.min(Math.max(basePx, leastPx / scale), mostPx);
}

function drawCells(frame: Frame, sight: Rect): void {
  const { ctx, theme, camera } = frame;
  for (const [block, rect] of frame.positions.blocks) {
    const title = frame.scene.blockTitles.get(block) ?? '';
    if (title === '' || !overlaps(rect, sight)) {
      continue;
    }
    ctx.fillStyle = theme.soft;
    roundedBox(ctx, rect, 8);
    ctx.fill();
    if (camera.scale > 0.2) {
      ctx.font = `600 ${legible(11.5, 10, camera.scale, SHAPE.cell_title_height - 5)}px ${theme.font}`;
      ctx.fillStyle = theme.textSoft;
      ctx.textAlign = 'left';
      ctx.textBaseline = 'middle';
      const text = fitText(ctx, title, rect.width - SHAPE.cell_pad);
      ctx.fillText(text, rect.x + SHAPE.cell_pad / 2 + 3, rect.y + SHAPE.cell_title_height / 2 + 1);
    }
  }
}

function drawLanes(frame: Frame, sight: Rect): void {
  const { ctx, theme } = frame;
  for (const [lane, rect] of frame.positions.lanes) {
    if (!overlaps(rect, sight)) {
      continue;
    }
    ctx.fillStyle = theme.paper;
    ctx.strokeStyle = theme.line;
    ctx.lineWidth = 1.2;
    ctx.setLineDash([]);
    roundedBox(ctx, rect, 6);
    ctx.fill();
    ctx.stroke();
    ctx.font = `600 ${legible(11, 9, frame.camera.scale, SHAPE.lane_title_height - 3)}px ${theme.font}`;
    ctx.fillStyle = theme.textSoft;
    ctx.textAlign = 'left';
    ctx.textBaseline = 'middle';
    const title = fitText(ctx, frame.scene.laneTitles.get(lane) ?? 'actor', rect.width - 20);
    ctx.fillText(title, rect.x + SHAPE.lane_pad, rect.y + SHAPE.lane_title_height / 2 + 1);
  }
}

function drawBox(frame: Frame, id: string, shown: Shown): void {
  const { ctx, model } = frame;
  ctx.globalAlpha = shown.alpha * (isLit(frame, id) ? 1 : FADED);
  const task = model.tasks.get(id);
  if (task) {
    drawTask(frame, task, shown);
    drawDocked(frame, task, shown);
    return;
  }
  const group = model.groups.get(id);
  if (group) {
    drawGroup(frame, group, shown);
    return;
  }
  const object = model.objects.get(id);
  if (object) {
    drawPut(frame, object, shown);
  }
}

function drawTask(frame: Frame, task: TaskNode, rect: Shown): void {
  const { ctx, theme, camera } = frame;
  const style = TOKENS.task_states[task.state];
  const colour = stateColour(task.state, theme);
  const heightPx = rect.height * camera.scale;
  const hovered = frame.hovered === task.id;
  const fill = style.tint > 0 ? mix(colour, theme.paper, style.tint) : theme.paper;
  ctx.setLineDash(style.dash as number[]);
  ctx.lineWidth = hovered ? 2.2 : 1.3;
  ctx.strokeStyle = colour;
  ctx.fillStyle = heightPx < ONE_LINE_PX && style.solid ? colour : fill;
  roundedBox(ctx, rect, SHAPE.task_radius);
  ctx.fill();
  ctx.stroke();
  ctx.setLineDash([]);
  drawOutline(frame, task.id, rect);
  if (heightPx < ONE_LINE_PX) {
    if (heightPx >= 5 && task.state !== 'finished' && task.state !== 'running') {
      drawTinyMark(frame, task, rect, theme.paper, style.solid);
    }
    return;
  }
  drawStrip(frame, task.function, rect);
  const markSize = heightPx < TWO_LINES_PX ? Math.min(rect.height * 0.66, 22) : 16;
  const markX = rect.x + SHAPE.mark_cell_width / 2 + 1;
  const options = { size: markSize, attempt: task.attempt, pulse: frame.pulse, paper: fill };
  drawMark(ctx, task.state, markX, rect.y + rect.height / 2, theme, options);
  drawTaskText(frame, task, rect, heightPx);
}

function drawTaskText(frame: Frame, task: TaskNode, rect: Shown, heightPx: number): void {
  const { ctx, theme, camera } = frame;
  const left = rect.x + SHAPE.mark_cell_width + 3;
  const width = rect.x + rect.width - SHAPE.function_strip_width - 11 - left;
  const middle = rect.y + rect.height / 2;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  const twoLines = heightPx >= TWO_LINES_PX;
  const fontPx = twoLines ? 12.5 : Math.max(12.5, 9.5 / camera.scale);
  ctx.font = `${fontPx.toFixed(1)}px ${theme.font}`;
  ctx.fillStyle = theme.text;
  const name = fitName(ctx, shortName(task.name), width);
  const nameY = twoLines ? middle - 7 : middle + 0.5;
  ctx.fillText(name, left, nameY);
  if (task.state === 'cancelled') {
    ctx.fillRect(left, nameY - 0.5, ctx.measureText(name).width, 1.2);
  }
  if (twoLines) {
    ctx.font = `10.5px ${theme.font}`;
    ctx.fillStyle = task.state === 'failed' ? stateColour('failed', theme) : theme.textSoft;
    ctx.fillText(fitText(ctx, detailLine(task, frame.nowS), width), left, middle + 8);
  }
}

/** What stays of a mark when a box is a few pixels high: enough to find what went wrong. */
function drawTinyMark(frame: Frame, task: TaskNode, rect: Rect, paper: string, solid: boolean): void {
  const { ctx, theme } = frame;
  const size = rect.height * 0.8;
  const x = rect.x + rect.width / 2;
  const y = rect.y + rect.height / 2;
  if (!solid) {
    drawMark(ctx, task.state, x, y, theme, { size, attempt: task.attempt, pulse: 0, paper });
  } else if (task.state === 'failed') {
    ctx.strokeStyle = paper;
    ctx.lineWidth = 5;
    ctx.lineCap = 'round';
    ctx.beginPath();
    ctx.moveTo(x - size / 3, y - size / 3);
    ctx.lineTo(x + size / 3, y + size / 3);
    ctx.moveTo(x + size / 3, y - size / 3);
    ctx.lineTo(x - size / 3, y + size / 3);
    ctx.stroke();
    ctx.lineCap = 'butt';
  }
}

function drawDocked(frame: Frame, task: TaskNode, rect: Shown): void {
  const ids = frame.scene.docked.get(task.id);
  if (!ids || frame.camera.scale < 0.25) {
    return;
  }
  ids.forEach((id, index) => {
    const object = frame.model.objects.get(id);
    if (object) {
      drawObject(frame, object, rect.x + rect.width, rect.y + dockY(index, ids.length, rect.height));
    }
  });
  const more = frame.scene.undrawn.get(task.id) ?? 0;
  if (more > 0 && rect.height * frame.camera.scale >= TWO_LINES_PX) {
    frame.ctx.font = `9px ${frame.theme.font}`;
    frame.ctx.fillStyle = frame.theme.textSoft;
    frame.ctx.textAlign = 'left';
    frame.ctx.fillText(`+${more}`, rect.x + rect.width + 8, rect.y + rect.height - 4);
  }
}

function drawPut(frame: Frame, object: ObjectNode, rect: Shown): void {
  const { ctx, theme } = frame;
  const x = rect.x + rect.width - 8;
  const y = rect.y + rect.height / 2;
  drawObject(frame, object, x, y);
  if (rect.height * frame.camera.scale >= ONE_LINE_PX) {
    ctx.font = `${legible(11, 9, frame.camera.scale, 18)}px ${theme.font}`;
    ctx.textAlign = 'right';
    ctx.textBaseline = 'middle';
    ctx.fillStyle = theme.textSoft;
    const size = object.object_bytes === null ? '' : dataSize(object.object_bytes);
    const room = rect.width - 22;
    const whole = `put ${size}`.trim();
    // The size says more than the word.
    const label = measure(ctx, whole) <= room || size === '' ? whole : size;
    ctx.fillText(fitText(ctx, label, room), x - 12, y + 0.5);
  }
}

function drawObject(frame: Frame, object: ObjectNode, x: number, y: number): void {
  const { ctx, theme } = frame;
  const style = TOKENS.object_states[object.state];
  const radius = objectRadius(object.object_bytes);
  const selected = frame.model.selected === object.id;
  const ink = selected ? theme.accent : theme.text;
  ctx.strokeStyle = ink;
  ctx.lineWidth = selected ? style.width + 1 : style.width;
  ctx.setLineDash(style.dash as number[]);
  ctx.fillStyle = style.fill ? ink : theme.paper;
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, Math.PI * 2);
  ctx.fill();
  ctx.stroke();
  if (style.ring) {
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.arc(x, y, radius + 2.6, 0, Math.PI * 2);
    ctx.stroke();
  }
  ctx.setLineDash([]);
}
