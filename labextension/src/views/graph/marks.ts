/**
 * Owns the drawing of a state's mark, on a canvas and as an inline SVG, from the paths of the visual table.
 */
import type { TaskStateName } from '../messages';
import { TOKENS } from '../tokens';
import type { Theme } from './theme';
import { stateColour } from './theme';

const GRID = 16;
const paths = new Map<string, Path2D>();

export interface MarkOptions {
  /** Height and width in pixels of the canvas' current units. */
  readonly size: number;
  readonly attempt: number;
  /** 0 to 1: how far the slow pulse of what runs has faded. */
  readonly pulse: number;
  /** What lies behind the mark. */
  readonly paper: string;
}

export function drawMark(
  ctx: CanvasRenderingContext2D,
  state: TaskStateName,
  centreX: number,
  centreY: number,
  theme: Theme,
  options: MarkOptions
): void {
  const style = TOKENS.task_states[state];
  const colour = stateColour(state, theme);
  const scale = options.size / GRID;
  const alpha = ctx.globalAlpha;
  ctx.save();
  ctx.translate(centreX - options.size / 2, centreY - options.size / 2);
  ctx.scale(scale, scale);
  ctx.lineCap = 'round';
  for (const part of style.mark) {
    const ink = part.ink === 'paper' ? options.paper : colour;
    ctx.globalAlpha = part.pulse ? alpha * (1 - 0.75 * options.pulse) : alpha;
    if (part.paint === 'fill') {
      ctx.fillStyle = ink;
      ctx.fill(path(part.d));
    } else {
      ctx.strokeStyle = ink;
      ctx.lineWidth = part.width;
      ctx.lineCap = part.dash.length > 0 ? 'butt' : 'round';
      ctx.setLineDash(part.dash as number[]);
      ctx.stroke(path(part.d));
    }
  }
  if (style.mark_text === 'attempt') {
    ctx.fillStyle = colour;
    ctx.font = `bold 9.5px ${theme.font}`;
    ctx.textAlign = 'center';
    ctx.textBaseline = 'middle';
    ctx.fillText(attemptText(options.attempt), GRID / 2, GRID / 2 + 0.5);
  }
  ctx.restore();
}

/** The same mark for HTML: legend and details. */
export function markSvg(state: TaskStateName, theme: Theme, size: number, attempt = 1): SVGSVGElement {
  const style = TOKENS.task_states[state];
  const colour = stateColour(state, theme);
  const svg = svgElement('svg', { viewBox: `0 0 ${GRID} ${GRID}`, width: size, height: size, 'aria-hidden': 'true' });
  for (const part of style.mark) {
    const ink = part.ink === 'paper' ? theme.paper : colour;
    const attributes =
      part.paint === 'fill'
        ? { d: part.d, fill: ink }
        : {
            d: part.d,
            fill: 'none',
            stroke: ink,
            'stroke-width': part.width,
            'stroke-dasharray': part.dash.join(' '),
            'stroke-linecap': part.dash.length > 0 ? 'butt' : 'round'
          };
    svg.append(svgElement('path', attributes));
  }
  if (style.mark_text === 'attempt') {
    const text = svgElement('text', { x: 8, y: 11.4, fill: colour, 'font-size': 9.5, 'text-anchor': 'middle' });
    text.setAttribute('font-weight', 'bold');
    text.textContent = attemptText(attempt);
    svg.append(text);
  }
  return svg;
}

export function svgElement<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string | number>>
): SVGElementTagNameMap[K] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== '') {
      element.setAttribute(key, String(value));
    }
  }
  return element;
}

function attemptText(attempt: number): string {
  return attempt + 1 > 9 ? '+' : String(attempt + 1);
}

function path(d: string): Path2D {
  const known = paths.get(d) ?? new Path2D(d);
  paths.set(d, known);
  return known;
}
