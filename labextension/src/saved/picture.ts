/** The static picture of a saved view, shown as an image: no script in it can run, nothing in it is fetched. */

import { Widget } from '@lumino/widgets';

/** By this rule our pictures choose their dark colours: right on a web page, but here JupyterLab's theme decides. */
const BY_SYSTEM = '@media (prefers-color-scheme: dark)';

export class Picture extends Widget {
  constructor() {
    super({ node: document.createElement('img') });
    this.addClass('cr-SavedView-picture');
    this.node.dataset['testid'] = 'cellray-saved-picture';
    this._themes = new MutationObserver(() => this._render());
    this._themes.observe(document.body, {
      attributes: true,
      attributeFilter: ['data-jp-theme-light', 'data-jp-theme-name']
    });
  }

  get hasSource(): boolean {
    return this._svg !== '';
  }

  /** Shows an SVG document; `words` are for those who cannot see it. */
  setSource(svg: string, words: string): void {
    this._svg = svg;
    (this.node as HTMLImageElement).alt = words;
    this._render();
  }

  override dispose(): void {
    this._themes.disconnect();
    super.dispose();
  }

  private _render(): void {
    if (this._svg) {
      const isDark = document.body.dataset['jpThemeLight'] === 'false';
      const image = this.node as HTMLImageElement;
      image.src = `data:image/svg+xml,${encodeURIComponent(forTheme(this._svg, isDark))}`;
    }
  }

  private readonly _themes: MutationObserver;
  private _svg = '';
}

/** The picture in the colours of JupyterLab's theme, whatever the system prefers. */
export function forTheme(svg: string, isDark: boolean): string {
  return svg.replaceAll(BY_SYSTEM, isDark ? '@media all' : '@media not all');
}
