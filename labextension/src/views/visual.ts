/**
 * Owns the lookups in the visual table and how numbers are written: the twin of `cellray.observe.visual`.
 */
import { TOKENS } from './tokens';

export type Theme = 'light' | 'dark';

const COUNT_UNITS = ['', 'k', 'M', 'G', 'T'];
const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
const UTF8 = new TextEncoder();

/** Index of a function's hue: 32-bit FNV-1a of the UTF-8 name with the high half folded in. */
export function functionIndex(name: string): number {
  let value = 0x811c9dc5;
  for (const byte of UTF8.encode(name)) {
    value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  }
  return ((value ^ (value >>> 16)) >>> 0) % TOKENS.function_palette.length;
}

export function functionColour(name: string, theme: Theme): string {
  return TOKENS.function_palette[functionIndex(name)]?.[theme] ?? TOKENS.theme[theme].text;
}

export function objectRadius(objectBytes: number | null): number {
  const fits = TOKENS.object_sizes.find(
    size => size.below_bytes === null || (objectBytes ?? 0) < size.below_bytes
  );
  return fits?.radius ?? 3;
}

/** At most three significant digits, without trailing zeros. */
export function threeDigits(value: number): string {
  if (value === 0 || !Number.isFinite(value)) {
    return '0';
  }
  const places = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const scale = 10 ** places;
  const text = (Math.floor(value * scale + 0.5) / scale).toFixed(places);
  return text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text;
}

export function count(value: number): string {
  return scaled(value, COUNT_UNITS, '');
}

export function dataSize(sizeBytes: number): string {
  return scaled(sizeBytes, BYTE_UNITS, ' ');
}

export function rate(perS: number): string {
  return `${count(perS)}/s`;
}

/** 17 µs, 230 ms, 1.5 s, 1 min 15 s, 2 h 3 min, 3 d 4 h. */
export function duration(seconds: number): string {
  if (seconds < 0.0009995) {
    return seconds > 0 ? `${threeDigits(seconds * 1e6)} µs` : '0 s';
  }
  if (seconds < 0.9995) {
    return `${threeDigits(seconds * 1e3)} ms`;
  }
  if (seconds < 59.95) {
    return `${threeDigits(seconds)} s`;
  }
  const whole = Math.floor(seconds + 0.5);
  if (whole < 3600) {
    return two(whole, 60, 'min', 1, 's');
  }
  return whole < 86400 ? two(whole, 3600, 'h', 60, 'min') : two(whole, 86400, 'd', 3600, 'h');
}

/** Wall clock of a moment, in the reader's time zone. */
export function clockTime(epochS: number): string {
  return new Date(epochS * 1000).toLocaleTimeString([], { hour12: false });
}

function two(whole: number, largeS: number, large: string, smallS: number, small: string): string {
  const rest = Math.floor((whole % largeS) / smallS);
  return `${Math.floor(whole / largeS)} ${large}${rest > 0 ? ` ${rest} ${small}` : ''}`;
}

function scaled(value: number, units: readonly string[], space: string): string {
  let step = 0;
  while (step < units.length - 1 && Math.abs(value) >= 999.5) {
    value /= 1000;
    step += 1;
  }
  return `${threeDigits(value)}${space}${units[step]}`.trimEnd();
}
