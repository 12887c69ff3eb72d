/**
 * Owns the colours of the moment: read from the page's CSS variables at draw time, so that a change of theme shows at
 * once and nothing is drawn in a palette of our own.
 */
import type { TaskStateName } from '../messages';
import { TOKENS } from '../tokens';
import type { Theme as Mode } from '../visual';
import { functionColour } from '../visual';

export interface Theme {
  readonly mode: Mode;
  readonly paper: string;
  readonly soft: string;
  readonly line: string;
  readonly text: string;
  readonly textSoft: string;
  readonly edge: string;
  readonly accent: string;
  readonly font: string;
}

/** Reads the variables that `style.ts` derives from JupyterLab's. */
export function readTheme(root: HTMLElement): Theme {
  const style = getComputedStyle(root);
  const read = (name: string) => style.getPropertyValue(name).trim();
  const paper = read('--cr-paper') || TOKENS.theme.light.paper;
  const mode: Mode = luminance(paper) < 0.4 ? 'dark' : 'light';
  const neutral = TOKENS.theme[mode];
  return {
    mode,
    paper,
    soft: mix(read('--cr-soft') || neutral.soft, paper, mode === 'dark' ? 0.45 : 0.6),
    line: read('--cr-line') || neutral.line,
    text: read('--cr-text') || neutral.text,
    textSoft: read('--cr-text-soft') || neutral.text_soft,
    edge: mix(read('--cr-text') || neutral.text, paper, 0.5),
    accent: read('--cr-accent') || neutral.accent,
    font: style.fontFamily || 'system-ui, sans-serif'
  };
}

export function stateColour(state: TaskStateName, theme: Theme): string {
  return TOKENS.task_states[state][theme.mode];
}

export function hue(functionName: string, theme: Theme): string {
  return functionColour(functionName, theme.mode);
}

/** `share` of the first colour over the second. */
export function mix(over: string, under: string, share: number): string {
  const a = rgb(over);
  const b = rgb(under);
  const part = (index: 0 | 1 | 2) => Math.round(a[index] * share + b[index] * (1 - share));
  return `rgb(${part(0)}, ${part(1)}, ${part(2)})`;
}

type Rgb = readonly [number, number, number];
const parsed = new Map<string, Rgb>();
let probe: CanvasRenderingContext2D | null = null;

/** Any CSS colour as numbers: the canvas knows how to read them all. */
function rgb(colour: string): Rgb {
  const known = parsed.get(colour);
  if (known) {
    return known;
  }
  probe ??= document.createElement('canvas').getContext('2d');
  let value: Rgb = [255, 255, 255];
  if (probe) {
    probe.fillStyle = '#ffffff';
    probe.fillStyle = colour;
    const text = probe.fillStyle;
    const hex = /^#(..)(..)(..)$/.exec(text);
    const numbers = hex
      ? hex.slice(1).map(part => parseInt(part, 16))
      : (text.match(/[\d.]+/g) ?? []).map(Number);
    value = [numbers[0] ?? 255, numbers[1] ?? 255, numbers[2] ?? 255];
  }
  parsed.set(colour, value);
  return value;
}

function luminance(colour: string): number {
  const [r, g, b] = rgb(colour);
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}
