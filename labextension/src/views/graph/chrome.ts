/**
 * Owns the HTML around the canvas: toolbar, notices, empty state, legend, tooltip, live summary. It shows what it is
 * given and reports what was pressed; it keeps no state of the graph.
 */
import type { EdgeKind } from '../messages';
import { TOKENS } from '../tokens';
import { dataSize } from '../visual';
import { markSvg, svgElement } from './marks';
import type { GraphModel } from './model';
import { STATES } from './model';
import { plainName } from './scene';
import type { Theme } from './theme';
import { hue } from './theme';
import { detailLine, EMPTY_ADVICE, EMPTY_CODE, EMPTY_TITLE, groupLine, notices, summary } from './words';

export interface Actions {
  fit(): void;
  zoom(factor: number): void;
  toggleCritical(): void;
  toggleLegend(): void;
  search(query: string): void;
  nextMatch(): void;
}

const HUES_MAX = 8;
const SPOKEN_EVERY_MS = 4000;
const HELP =
  'Arrow keys move along edges, Enter opens a box, F shows everything, C the critical path, plus and minus zoom, ' +
  'slash searches, Escape lets go.';

export class Chrome {
  readonly root = element('div', 'cr-graph');
  readonly stage = element('div', 'cr-graph-stage');
  readonly canvas = element('canvas', '');
  readonly search = element('input', '');

  private readonly title = element('strong', 'cr-graph-title');
  private readonly summary = element('div', 'cr-graph-summary');
  private readonly notice = element('div', 'cr-graph-notice');
  private readonly empty = element('div', 'cr-graph-empty');
  private readonly tip = element('div', 'cr-graph-tip');
  private readonly legend = element('div', 'cr-graph-legend');
  private readonly live = element('div', 'cr-graph-unseen');
  private readonly critical: HTMLButtonElement;
  private readonly legendButton: HTMLButtonElement;
  private legendKey = '';
  private spokenAt = -Infinity;

  constructor(actions: Actions) {
    this.root.dataset['testid'] = 'cellray-graph';
    // Without this JupyterLab takes arrows and letters as commands of the notebook, such as "cut cell".
    this.root.dataset['lmSuppressShortcuts'] = 'true';
    this.root.dataset['jpSuppressContextMenu'] = 'true';
    const help = element('div', 'cr-graph-unseen');
    help.id = `cr-graph-help-${Math.random().toString(36).slice(2)}`;
    help.textContent = HELP;
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute('role', 'application');
    this.canvas.setAttribute('aria-roledescription', 'task graph');
    this.canvas.setAttribute('aria-describedby', help.id);
    this.live.setAttribute('aria-live', 'polite');
    this.notice.setAttribute('role', 'status');
    this.tip.hidden = true;
    this.critical = button('Critical path', 'The chain of tasks that decided when the last one ended (C)', () =>
      actions.toggleCritical()
    );
    this.legendButton = button('Legend', 'What marks and lines mean', () => actions.toggleLegend());
    this.root.append(this.toolbar(actions), this.notice, this.stage, this.legend, this.live, help);
    this.stage.append(this.canvas, this.empty, this.tip);
    const title = element('p', '');
    title.textContent = EMPTY_TITLE;
    const code = element('pre', '');
    code.textContent = EMPTY_CODE;
    this.empty.append(title, withText(element('span', 'cr-graph-soft'), EMPTY_ADVICE), code);
  }

  update(model: GraphModel, theme: Theme, legendShown: boolean, matches: number | null): void {
    const words = summary(model);
    setText(this.summary, matches === null ? words : `${matches} found in ${words}`);
    this.summary.title = words;
    this.canvas.setAttribute('aria-label', `Task graph: ${words}`);
    const said = notices(model);
    this.notice.hidden = said.length === 0;
    const before = [...this.notice.children].map(child => child.textContent).join('\n');
    if (before !== said.join('\n')) {
      this.notice.replaceChildren(...said.map(text => withText(element('p', ''), text)));
    }
    this.empty.hidden = !model.isEmpty();
    this.critical.setAttribute('aria-pressed', String(model.critical));
    this.critical.hidden = model.mode === 'groups';
    this.legendButton.setAttribute('aria-pressed', String(legendShown));
    this.legend.hidden = !legendShown || model.isEmpty();
    this.updateLegend(model, theme);
    this.updateData(model);
    if (performance.now() - this.spokenAt > SPOKEN_EVERY_MS) {
      this.say(words);
    }
  }

  /** Names the whole picture; nothing where there is only one that it can be. */
  setTitle(title: string): void {
    setText(this.title, title);
    this.title.hidden = title === '';
  }

  setStageHeight(heightPx: number): void {
    this.stage.style.setProperty('--cr-stage-height', `${heightPx}px`);
  }

  /** Reads a sentence to whoever cannot see the canvas. */
  say(text: string): void {
    this.spokenAt = performance.now();
    setText(this.live, text);
  }

  showTip(lines: readonly string[], x: number, y: number): void {
    this.tip.replaceChildren(...lines.map(line => withText(element('div', ''), line)));
    this.tip.hidden = false;
    const { clientWidth, clientHeight } = this.stage;
    const left = x + 14 + this.tip.offsetWidth > clientWidth ? x - this.tip.offsetWidth - 10 : x + 14;
    const top = Math.min(y + 14, clientHeight - this.tip.offsetHeight - 4);
    this.tip.style.transform = `translate(${Math.max(2, left)}px, ${Math.max(2, top)}px)`;
  }

  hideTip(): void {
    this.tip.hidden = true;
  }

  private toolbar(actions: Actions): HTMLElement {
    const bar = element('div', 'cr-graph-bar');
    bar.setAttribute('role', 'toolbar');
    bar.setAttribute('aria-label', 'Task graph');
    this.search.type = 'search';
    this.search.placeholder = 'Search tasks';
    this.search.setAttribute('aria-label', 'Search tasks by name, state, cell or error');
    this.search.addEventListener('input', () => actions.search(this.search.value));
    this.search.addEventListener('keydown', event => {
      if (event.key === 'Enter') {
        actions.nextMatch();
      } else if (event.key === 'Escape') {
        this.search.value = '';
        actions.search('');
        this.canvas.focus();
      }
    });
    const out = button('\u2212', 'Zoom out (-)', () => actions.zoom(1 / 1.3));
    const closer = button('+', 'Zoom in (+, or Ctrl and the wheel)', () => actions.zoom(1.3));
    out.classList.add('cr-graph-small');
    closer.classList.add('cr-graph-small');
    const whole = button('Fit', 'Show everything (F)', () => actions.fit());
    bar.append(this.title, this.summary, this.search, out, closer, whole, this.critical, this.legendButton);
    return bar;
  }

  private updateData(model: GraphModel): void {
    const { dataset } = this.root;
    for (const state of STATES) {
      dataset[state] = String(model.total(state));
    }
    dataset['nodes'] = String(model.mode === 'groups' ? model.groups.size : model.tasks.size);
    dataset['mode'] = model.mode;
    dataset['sequence'] = String(model.sequence);
    dataset['selected'] = model.selected ?? '';
  }

  private updateLegend(model: GraphModel, theme: Theme): void {
    const states = STATES.filter(state => model.total(state) > 0);
    const kinds = new Set<EdgeKind>(
      [...(model.mode === 'groups' ? model.groupEdges : model.edges).values()].map(edge => edge.kind)
    );
    // The tasks of a remote cell go by the cell's name, which is the title of their group.
    const named = [...model.tasks.values(), ...model.groups.values()]
      .filter(node => node.function !== node.cell?.label)
      .map(node => node.function);
    const functions = [...new Set(named)].slice(0, HUES_MAX + 1);
    const key = JSON.stringify([states, [...kinds], functions, theme.mode, theme.paper, model.objects.size > 0]);
    if (key === this.legendKey) {
      return;
    }
    this.legendKey = key;
    const items = states.map(state => {
      const item = withText(element('span', ''), TOKENS.task_states[state].label);
      item.title = TOKENS.task_states[state].explain;
      item.prepend(markSvg(state, theme, 14));
      return item;
    });
    items.push(...[...kinds].map(kind => edgeItem(kind, theme)));
    if (model.objects.size > 0) {
      items.push(objectItem(theme));
    }
    items.push(...functions.slice(0, HUES_MAX).map(name => hueItem(name, theme)));
    this.legend.replaceChildren(...items);
  }
}

/** What the tooltip says of a node. */
export function tipLines(model: GraphModel, id: string, nowS: number): string[] {
  const task = model.tasks.get(id);
  if (task) {
    return [task.name, detailLine(task, nowS), task.cell?.label ?? ''].filter(Boolean);
  }
  const group = model.groups.get(id);
  if (group) {
    return [group.function, groupLine(group), group.cell?.label ?? ''].filter(Boolean);
  }
  const object = model.objects.get(id);
  if (object) {
    const size = object.object_bytes === null ? '' : dataSize(object.object_bytes);
    return [object.is_put ? 'object that was put' : 'result', [size, TOKENS.object_states[object.state].label].filter(Boolean).join(', ')];
  }
  return [];
}

export function element<K extends keyof HTMLElementTagNameMap>(name: K, className: string): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  if (className) {
    made.className = className;
  }
  return made;
}

export function withText<T extends HTMLElement>(target: T, text: string): T {
  target.textContent = text;
  return target;
}

export function button(label: string, title: string, press: () => void): HTMLButtonElement {
  const made = withText(element('button', ''), label);
  made.type = 'button';
  made.title = title;
  if (label.length < 2) {
    made.setAttribute('aria-label', title);
  }
  made.addEventListener('click', press);
  return made;
}

function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) {
    target.textContent = text;
  }
}

function edgeItem(kind: EdgeKind, theme: Theme): HTMLElement {
  const style = TOKENS.edges[kind];
  const item = withText(element('span', ''), style.label);
  item.title = style.explain;
  const svg = svgElement('svg', { width: 26, height: 12, 'aria-hidden': 'true' });
  const line = { x1: 2, y1: 6, x2: 24, y2: 6, stroke: theme.edge, 'stroke-width': style.width };
  const cap = kind === 'stateful' ? 'round' : 'butt';
  svg.append(svgElement('line', { ...line, 'stroke-dasharray': style.dash.join(' '), 'stroke-linecap': cap }));
  item.prepend(svg);
  return item;
}

function objectItem(theme: Theme): HTMLElement {
  const item = withText(element('span', ''), 'object');
  item.title = 'A value: larger circles are more bytes; hollow: not made yet; ring: on disk; dashed: freed';
  const svg = svgElement('svg', { width: 10, height: 12, 'aria-hidden': 'true' });
  svg.append(svgElement('circle', { cx: 5, cy: 6, r: 4, fill: theme.text }));
  item.prepend(svg);
  return item;
}

function hueItem(name: string, theme: Theme): HTMLElement {
  const item = withText(element('span', ''), plainName(name));
  const strip = element('i', 'cr-graph-hue');
  strip.style.background = hue(name, theme);
  item.prepend(strip);
  return item;
}
