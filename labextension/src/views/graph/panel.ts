/**
 * Owns the live view on the page: one canvas and the HTML around it, drawn from a session whenever that changes.
 * State that must survive lives in the session; what is here may be thrown away at any time.
 */
import { between, contains, fit, HEIGHT_EMPTY_PX, heightFor, pan, reveal, visible, zoomAt } from './camera';
import type { Camera, Size } from './camera';
import { Chrome, tipLines } from './chrome';
import { criticalPath } from './critical';
import { DetailCard } from './detail';
import { drawFrame } from './draw';
import { toggleRect } from './drawgroup';
import { connect, nextNode } from './input';
import type { Arrow } from './input';
import type { Rect } from './layout';
import { Motion } from './motion';
import { dockY } from './scene';
import type { GraphSession } from './session';
import { ensureStyle } from './style';
import { readTheme } from './theme';
import { spoken } from './words';

const PULSE_PERIOD_MS = 1800;
const PULSE_FRAME_MS = 90;
const STILL_REFRESH_MS = 1000;
const DETAIL_WIDTH_PX = 290;
/** The card of the selected node needs so much. */
const DETAIL_HEIGHT_PX = 260;
/** While it follows the run the picture stays readable; everything at once is one key away. */
const FOLLOW_SCALE_MIN = 0.3;

export class GraphPanel {
  private readonly chrome: Chrome;
  private readonly detail: DetailCard;
  private readonly motion = new Motion();
  private readonly ending = new AbortController();
  private readonly observers: { disconnect(): void }[] = [];
  private readonly calm = matchMedia('(prefers-reduced-motion: reduce)');
  private readonly unsubscribe: () => void;
  private size: Size = { width: 0, height: 0 };
  private cameraTarget: Camera | null = null;
  private hovered: string | null = null;
  private inSight = true;
  private aimedAt = -1;
  private drawnAt = performance.now();
  private deltaSeen = { revision: -1, at: performance.now() };
  private frameRequest = 0;
  private timer = 0;
  private lastMatch = -1;

  constructor(
    host: HTMLElement,
    private readonly session: GraphSession
  ) {
    this.chrome = new Chrome({
      fit: () => this.showAll(),
      zoom: factor => this.zoom(factor, this.size.width / 2, this.size.height / 2),
      toggleCritical: () => session.model.setCritical(!session.model.critical),
      toggleLegend: () => {
        session.legend = !session.legend;
        this.schedule();
      },
      search: query => {
        this.lastMatch = -1;
        session.model.setQuery(query);
      },
      nextMatch: () => this.goToNextMatch()
    });
    this.detail = new DetailCard(() => this.select(null));
    this.chrome.stage.append(this.detail.root);
    this.chrome.setTitle(session.title);
    this.chrome.search.value = session.model.query;
    host.append(this.chrome.root);
    ensureStyle(host);
    connect(
      this.chrome.canvas,
      {
        pan: (dx, dy) => this.lookFrom(pan(this.camera(), dx, dy)),
        zoom: (factor, px, py) => this.zoom(factor, px, py),
        hover: (px, py) => this.hover(px, py),
        leave: () => this.hoverOver(null),
        press: (px, py, twice) => this.press(px, py, twice),
        move: arrow => this.moveAlong(arrow),
        key: key => this.key(key)
      },
      this.ending.signal
    );
    this.observe();
    this.unsubscribe = session.model.onChange(() => this.schedule());
    this.grow();
    this.draw();
  }

  dispose(): void {
    this.unsubscribe();
    this.ending.abort();
    this.observers.forEach(observer => observer.disconnect());
    cancelAnimationFrame(this.frameRequest);
    clearTimeout(this.timer);
    this.chrome.root.remove();
  }

  private observe(): void {
    const resize = new ResizeObserver(() => {
      this.measure();
      this.draw();
    });
    resize.observe(this.chrome.stage);
    const sight = new IntersectionObserver(entries => {
      this.inSight = entries.some(entry => entry.isIntersecting);
      this.schedule();
    });
    sight.observe(this.chrome.stage);
    // JupyterLab changes its theme by attributes of the body; the colours are read again at the next drawing.
    const theme = new MutationObserver(() => this.schedule());
    theme.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-jp-theme-name', 'data-jp-theme-light'] });
    this.observers.push(resize, sight, theme);
    const { signal } = this.ending;
    this.calm.addEventListener('change', () => this.schedule(), { signal });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.schedule(), { signal });
  }

  private measure(): void {
    const { clientWidth: width, clientHeight: height } = this.chrome.stage;
    if (width === this.size.width && height === this.size.height) {
      return;
    }
    const first = this.size.width === 0;
    this.size = { width, height };
    if (this.session.follows && width > 0) {
      this.session.camera = null;
      this.cameraTarget = first ? null : this.cameraTarget;
    }
  }

  /** Gives the stage the height that the graph needs; a height that the reader dragged it to stays. */
  private grow(): void {
    const { model } = this.session;
    const width = this.chrome.stage.clientWidth;
    if (width > 0) {
      const { bounds } = this.session.picture().positions;
      const needed = model.isEmpty() ? HEIGHT_EMPTY_PX : heightFor(bounds, width, FOLLOW_SCALE_MIN);
      const forCard = model.selected === null ? 0 : DETAIL_HEIGHT_PX;
      this.session.stageHeight = Math.max(this.session.stageHeight, needed, forCard);
      this.chrome.setStageHeight(this.session.stageHeight);
    }
    this.measure();
  }

  private schedule(): void {
    if (this.frameRequest === 0) {
      this.frameRequest = requestAnimationFrame(() => {
        this.frameRequest = 0;
        this.draw();
      });
    }
  }

  private draw(): void {
    this.grow();
    const { canvas } = this.chrome;
    const { width, height } = this.size;
    const ctx = canvas.getContext('2d');
    if (ctx === null || width === 0 || height === 0) {
      return;
    }
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const { model } = this.session;
    const theme = readTheme(this.chrome.root);
    const now = performance.now();
    const { scene, positions } = this.session.picture();
    if (this.aimedAt !== model.structure) {
      const animate = this.aimedAt >= 0 && !this.calm.matches;
      this.aimedAt = model.structure;
      this.motion.aim(positions.boxes, animate);
    }
    const sliding = this.motion.step(now - this.drawnAt);
    const flying = this.moveCamera(now - this.drawnAt, positions.bounds);
    this.drawnAt = now;
    if (this.deltaSeen.revision !== model.sequence) {
      this.deltaSeen = { revision: model.sequence, at: now };
    }
    const found = model.matches();
    const path = new Set(model.critical ? criticalPath(model, model.selected) : []);
    const nowS = model.isLive ? model.at + (now - this.deltaSeen.at) / 1000 : model.at;
    drawFrame(
      {
        ctx,
        size: this.size,
        camera: this.camera(),
        theme,
        model,
        scene,
        positions,
        shown: this.motion.shown,
        lit: this.lit(found, path),
        path,
        found,
        hovered: this.hovered,
        pulse: this.calm.matches ? 0 : (1 - Math.cos((2 * Math.PI * now) / PULSE_PERIOD_MS)) / 2,
        nowS
      },
      ratio
    );
    this.chrome.update(model, theme, this.session.legend, found === null ? null : found.size);
    this.detail.update(model, theme);
    this.next(sliding || flying);
  }

  /** Draws again at once while things move, now and then while something runs, and otherwise not at all. */
  private next(moving: boolean): void {
    clearTimeout(this.timer);
    if (!this.inSight) {
      return;
    }
    if (moving) {
      this.schedule();
    } else if (this.session.model.total('running') > 0 && this.session.model.isLive) {
      const wait = this.calm.matches ? STILL_REFRESH_MS : PULSE_FRAME_MS;
      this.timer = window.setTimeout(() => this.schedule(), wait);
    }
  }

  private lit(found: ReadonlySet<string> | null, path: ReadonlySet<string>): ReadonlySet<string> | null {
    const { model } = this.session;
    if (path.size > 0) {
      return path;
    }
    const { selected } = model;
    if (selected !== null) {
      return new Set([selected, ...model.reach(selected, 'up'), ...model.reach(selected, 'down')]);
    }
    return found;
  }

  private camera(): Camera {
    this.session.camera ??= this.cameraToFollow(this.session.picture().positions.bounds);
    return this.session.camera;
  }

  /** Everything in sight, or, when that would be too small to read, the newest end of it. */
  private cameraToFollow(bounds: Rect): Camera {
    const whole = this.cameraForAll(bounds);
    if (whole.scale >= FOLLOW_SCALE_MIN) {
      return whole;
    }
    const shown = { width: this.size.width / FOLLOW_SCALE_MIN, height: this.size.height / FOLLOW_SCALE_MIN };
    const x = Math.max(bounds.x - 30, bounds.x + bounds.width + 30 - shown.width);
    const y = bounds.y + (bounds.height - shown.height) / 2;
    return { x, y: bounds.height > shown.height ? bounds.y - 20 : y, scale: FOLLOW_SCALE_MIN };
  }

  /** A small graph begins at the left, where the next layers will have room. */
  private cameraForAll(bounds: Rect): Camera {
    const whole = fit(bounds, this.size);
    const spare = this.size.width / whole.scale - bounds.width;
    return spare > 0 ? { ...whole, x: bounds.x - Math.min(spare / 2, 20 / whole.scale) } : whole;
  }

  private moveCamera(elapsedMs: number, bounds: Rect): boolean {
    const camera = this.camera();
    if (this.session.follows && bounds.width > 0 && !contains(visible(camera, this.size), bounds)) {
      const all = this.cameraToFollow(bounds);
      if (Math.abs(all.scale - camera.scale) + Math.abs(all.x - camera.x) + Math.abs(all.y - camera.y) > 0.5) {
        this.cameraTarget = all;
      }
    }
    const target = this.cameraTarget;
    if (target === null) {
      return false;
    }
    const share = this.calm.matches ? 1 : 1 - 0.5 ** (Math.min(elapsedMs, 100) / 60);
    const next = between(camera, target, share);
    const left = (Math.abs(target.x - next.x) + Math.abs(target.y - next.y)) * next.scale;
    const arrived = left < 0.5 && Math.abs(target.scale / next.scale - 1) < 0.002;
    this.session.camera = arrived ? target : next;
    this.cameraTarget = arrived ? null : target;
    return !arrived;
  }

  private lookFrom(camera: Camera): void {
    this.session.follows = false;
    this.session.camera = camera;
    this.cameraTarget = null;
    this.chrome.hideTip();
    this.schedule();
  }

  private zoom(factor: number, px: number, py: number): void {
    this.lookFrom(zoomAt(this.camera(), factor, px, py));
  }

  private showAll(): void {
    this.session.follows = this.cameraForAll(this.session.picture().positions.bounds).scale >= FOLLOW_SCALE_MIN;
    this.cameraTarget = this.cameraForAll(this.session.picture().positions.bounds);
    this.schedule();
  }

  private select(id: string | null): void {
    const { model } = this.session;
    model.select(id);
    if (model.selected === null) {
      this.chrome.canvas.focus();
      return;
    }
    this.chrome.say(spoken(model, model.selected, model.at));
    const rect = this.session.picture().positions.boxes.get(model.selected);
    if (rect) {
      const open = { width: Math.max(160, this.size.width - DETAIL_WIDTH_PX), height: this.size.height };
      const camera = reveal(this.camera(), rect, open);
      if (camera.x !== this.camera().x || camera.y !== this.camera().y) {
        this.session.follows = false;
        this.cameraTarget = camera;
        this.schedule();
      }
    }
  }

  private press(px: number, py: number, twice: boolean): void {
    const { model } = this.session;
    const id = this.nodeAt(px, py);
    const group = id === null ? undefined : model.groups.get(id);
    const rect = id === null ? undefined : this.motion.shown.get(id);
    if (group && rect && (twice || inside(toggleRect(rect), this.world(px, py)))) {
      model.toggleExpanded(group.id);
    } else if (!twice) {
      this.select(id === model.selected ? null : id);
    }
    this.chrome.canvas.focus();
  }

  private moveAlong(arrow: Arrow): void {
    const { model } = this.session;
    const { shown } = this.motion;
    const first: string | undefined = shown.keys().next().value;
    const next = model.selected === null ? (first ?? null) : nextNode(model, shown, model.selected, arrow);
    if (next !== null) {
      this.select(next);
    }
  }

  private key(key: string): boolean {
    const { model } = this.session;
    const middle = [this.size.width / 2, this.size.height / 2] as const;
    const actions: Record<string, () => void> = {
      f: () => this.showAll(),
      c: () => model.setCritical(!model.critical),
      '+': () => this.zoom(1.3, ...middle),
      '=': () => this.zoom(1.3, ...middle),
      '-': () => this.zoom(1 / 1.3, ...middle),
      '/': () => this.chrome.search.focus(),
      Enter: () => {
        if (model.selected !== null && model.groups.has(model.selected)) {
          model.toggleExpanded(model.selected);
        }
      },
      Escape: () => this.letGo()
    };
    const action = actions[key.length === 1 ? key.toLowerCase() : key];
    action?.();
    return action !== undefined;
  }

  private letGo(): void {
    const { model } = this.session;
    model.setCritical(false);
    this.chrome.search.value = '';
    model.setQuery('');
    this.select(null);
  }

  private goToNextMatch(): void {
    const found = [...(this.session.model.matches() ?? [])];
    if (found.length > 0) {
      this.lastMatch = (this.lastMatch + 1) % found.length;
      this.select(found[this.lastMatch] ?? null);
    }
  }

  private hover(px: number, py: number): void {
    const id = this.nodeAt(px, py);
    this.hoverOver(id);
    if (id !== null && id !== this.session.model.selected) {
      this.chrome.showTip(tipLines(this.session.model, id, this.session.model.at), px, py);
    }
  }

  private hoverOver(id: string | null): void {
    if (id === null) {
      this.chrome.hideTip();
    }
    if (id !== this.hovered) {
      this.hovered = id;
      this.chrome.canvas.classList.toggle('cr-graph-pointing', id !== null);
      this.schedule();
    }
  }

  private world(px: number, py: number): { x: number; y: number } {
    const camera = this.camera();
    return { x: camera.x + px / camera.scale, y: camera.y + py / camera.scale };
  }

  private nodeAt(px: number, py: number): string | null {
    const point = this.world(px, py);
    const { docked } = this.session.picture().scene;
    let hit: string | null = null;
    for (const [id, rect] of this.motion.shown) {
      const objects = docked.get(id) ?? [];
      for (const [index, object] of objects.entries()) {
        const y = rect.y + dockY(index, objects.length, rect.height);
        if (Math.hypot(point.x - rect.x - rect.width, point.y - y) <= 6) {
          return object;
        }
      }
      if (inside(rect, point)) {
        hit = id;
      }
    }
    return hit;
  }
}

function inside(rect: Rect, point: { x: number; y: number }): boolean {
  return (
    point.x >= rect.x && point.x <= rect.x + rect.width && point.y >= rect.y && point.y <= rect.y + rect.height
  );
}
