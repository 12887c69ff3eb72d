/**
 * Owns movement between two layouts: boxes slide to their new places and new ones fade in, unless the reader asked
 * for no motion.
 */
import type { Rect } from './layout';
import type { Shown } from './pen';

const HALF_LIFE_MS = 60;
const ARRIVED_PX = 0.4;
const ENTER_FROM_PX = 28;

export class Motion {
  readonly shown = new Map<string, Shown>();
  private targets: ReadonlyMap<string, Rect> = new Map();

  /** New places. Without `animate` everything is there at once. */
  aim(targets: ReadonlyMap<string, Rect>, animate: boolean): void {
    this.targets = targets;
    for (const id of this.shown.keys()) {
      if (!targets.has(id)) {
        this.shown.delete(id);
      }
    }
    for (const [id, rect] of targets) {
      const shown = this.shown.get(id);
      if (!shown || !animate) {
        const x = animate ? rect.x - ENTER_FROM_PX : rect.x;
        this.shown.set(id, { ...rect, x, alpha: animate ? 0 : 1 });
      } else {
        shown.width = rect.width;
        shown.height = rect.height;
      }
    }
  }

  /** Moves on by `elapsedMs`; false once everything has arrived. */
  step(elapsedMs: number): boolean {
    const share = 1 - 0.5 ** (Math.min(elapsedMs, 100) / HALF_LIFE_MS);
    let moving = false;
    for (const [id, rect] of this.targets) {
      const shown = this.shown.get(id);
      if (!shown) {
        continue;
      }
      const near = Math.abs(rect.x - shown.x) < ARRIVED_PX && Math.abs(rect.y - shown.y) < ARRIVED_PX;
      if (near && shown.alpha > 0.98) {
        shown.x = rect.x;
        shown.y = rect.y;
        shown.alpha = 1;
      } else {
        shown.x += (rect.x - shown.x) * share;
        shown.y += (rect.y - shown.y) * share;
        shown.alpha += (1 - shown.alpha) * share;
        moving = true;
      }
    }
    return moving;
  }
}
