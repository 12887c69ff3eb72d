/**
 * Owns the arithmetic of looking: which part of the drawing is shown, and how large. Pure values.
 */
import type { Rect } from './layout';

/** The world's point at the canvas's top left corner, and pixels of the canvas for one of the world. */
export interface Camera {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export const SCALE_MIN = 0.02;
export const SCALE_MAX = 3;
const MARGIN_PX = 16;
const HEIGHT_MIN_PX = 96;
const HEIGHT_MAX_PX = 400;
/** Room for what an empty view says. */
export const HEIGHT_EMPTY_PX = 180;

/** The camera that shows all of `bounds`, centred, not larger than life. */
export function fit(bounds: Rect, size: Size, scaleMax = 1): Camera {
  const scale = Math.max(
    SCALE_MIN,
    Math.min(
      scaleMax,
      (size.width - 2 * MARGIN_PX) / Math.max(1, bounds.width),
      (size.height - 2 * MARGIN_PX) / Math.max(1, bounds.height)
    )
  );
  return {
    x: bounds.x + bounds.width / 2 - size.width / scale / 2,
    y: bounds.y + bounds.height / 2 - size.height / scale / 2,
    scale
  };
}

/** Height of a stage that shows `bounds` in full at the scale that its width allows, within reason. */
export function heightFor(bounds: Rect, width: number, scaleMin: number): number {
  const scale = Math.max(scaleMin, Math.min(1, (width - 2 * MARGIN_PX) / Math.max(1, bounds.width)));
  return Math.round(Math.min(HEIGHT_MAX_PX, Math.max(HEIGHT_MIN_PX, bounds.height * scale + 2 * MARGIN_PX)));
}

/** Zooms by `factor` and keeps the world's point under (px, py) where it is. */
export function zoomAt(camera: Camera, factor: number, px: number, py: number): Camera {
  const scale = Math.min(SCALE_MAX, Math.max(SCALE_MIN, camera.scale * factor));
  return {
    x: camera.x + px / camera.scale - px / scale,
    y: camera.y + py / camera.scale - py / scale,
    scale
  };
}

export function pan(camera: Camera, dxPx: number, dyPx: number): Camera {
  return { ...camera, x: camera.x - dxPx / camera.scale, y: camera.y - dyPx / camera.scale };
}

/** The nearest camera that has the whole of `rect` in sight. */
export function reveal(camera: Camera, rect: Rect, size: Size): Camera {
  const margin = 2 * MARGIN_PX;
  const left = (rect.x - camera.x) * camera.scale - margin;
  const top = (rect.y - camera.y) * camera.scale - margin;
  const right = (rect.x + rect.width - camera.x) * camera.scale + margin - size.width;
  const bottom = (rect.y + rect.height - camera.y) * camera.scale + margin - size.height;
  const dx = left < 0 ? -left : right > 0 ? -right : 0;
  const dy = top < 0 ? -top : bottom > 0 ? -bottom : 0;
  return pan(camera, dx, dy);
}

/** The part of the world that the canvas shows. */
export function visible(camera: Camera, size: Size): Rect {
  return { x: camera.x, y: camera.y, width: size.width / camera.scale, height: size.height / camera.scale };
}

export function overlaps(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

export function contains(outer: Rect, inner: Rect): boolean {
  return (
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height
  );
}

export function between(from: Camera, to: Camera, share: number): Camera {
  const mix = (a: number, b: number) => a + (b - a) * share;
  return { x: mix(from.x, to.x), y: mix(from.y, to.y), scale: mix(from.scale, to.scale) };
}
