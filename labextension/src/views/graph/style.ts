/**
 * Owns the style sheet of the view. A string, because the same code runs inside an anywidget bundle and inside the
 * JupyterLab extension, which load style sheets differently.
 */
import { TOKENS } from '../tokens';

const { light, dark } = TOKENS.theme;

function variables(theme: typeof light): string {
  return `
  --cr-paper: var(--jp-layout-color1, ${theme.paper});
  --cr-soft: var(--jp-layout-color2, ${theme.soft});
  --cr-line: var(--jp-border-color1, ${theme.line});
  --cr-text: var(--jp-ui-font-color1, ${theme.text});
  --cr-text-soft: var(--jp-ui-font-color2, ${theme.text_soft});
  --cr-accent: var(--jp-brand-color1, ${theme.accent});`;
}

const STYLE = `
.cr-graph {${variables(light)}
  font-family: var(--jp-ui-font-family, system-ui, sans-serif);
  font-size: var(--jp-ui-font-size1, 13px);
  line-height: 1.4;
  color: var(--cr-text);
  background: var(--cr-paper);
  border: 1px solid var(--cr-line);
  border-radius: var(--jp-border-radius, 2px);
  display: flex;
  flex-direction: column;
  min-width: 0;
  box-sizing: border-box;
}
@media (prefers-color-scheme: dark) {
  .cr-graph {${variables(dark)}
  }
}
.cr-graph * { box-sizing: border-box; }
.cr-graph [hidden] { display: none !important; }
.cr-graph-bar {
  display: flex; flex-wrap: wrap; align-items: center; gap: 4px 6px;
  padding: 5px 8px; border-bottom: 1px solid var(--cr-line);
}
.cr-graph-title { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; max-width: 50%; margin-right: 6px; }
.cr-graph-summary { flex: 1 1 220px; font-variant-numeric: tabular-nums;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.cr-graph button, .cr-graph input {
  font: inherit; color: inherit; background: var(--cr-paper);
  border: 1px solid var(--cr-line); border-radius: var(--jp-border-radius, 2px);
  height: 26px; padding: 0 8px; margin: 0;
}
.cr-graph input { flex: 0 1 150px; min-width: 90px; }
.cr-graph button { cursor: pointer; }
.cr-graph button:hover { background: var(--cr-soft); }
.cr-graph button[aria-pressed='true'] { border-color: var(--cr-accent); background: var(--cr-soft); }
.cr-graph-small { min-width: 26px; padding: 0 !important; text-align: center; }
.cr-graph :focus-visible { outline: 2px solid var(--cr-accent); outline-offset: -2px; }
.cr-graph-notice { padding: 5px 10px; border-bottom: 1px solid var(--cr-line); background: var(--cr-soft); }
.cr-graph-notice p { margin: 0; }
.cr-graph-stage { position: relative; height: var(--cr-stage-height, 400px); min-height: 80px; overflow: hidden; resize: vertical; }
.cr-graph-stage canvas { position: absolute; inset: 0; width: 100%; height: 100%; cursor: grab; touch-action: pan-y; }
.cr-graph-stage canvas.cr-graph-grabbed { cursor: grabbing; }
.cr-graph-stage canvas.cr-graph-pointing { cursor: pointer; }
.cr-graph-empty { position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 8px; padding: 0 12px; text-align: center; }
.cr-graph-empty p { margin: 0; font-weight: 600; }
.cr-graph-empty pre {
  margin: 0; padding: 10px 14px; background: var(--cr-soft); color: inherit; text-align: left;
  font-family: var(--jp-code-font-family, monospace); font-size: var(--jp-code-font-size, 12px); line-height: 1.5;
}
.cr-graph-tip {
  position: absolute; pointer-events: none; max-width: 300px; padding: 5px 8px; z-index: 2;
  background: var(--cr-paper); border: 1px solid var(--cr-text-soft); border-radius: 3px;
  overflow-wrap: anywhere;
}
.cr-graph-tip div:not(:first-child), .cr-graph-soft { color: var(--cr-text-soft); }
.cr-graph-detail {
  position: absolute; top: 8px; right: 8px; width: 270px; max-width: calc(100% - 16px); max-height: calc(100% - 16px);
  overflow: auto; padding: 8px 10px 10px; background: var(--cr-paper);
  border: 1px solid var(--cr-text-soft); border-radius: 3px; z-index: 1;
}
.cr-graph-detail header { display: flex; align-items: center; gap: 6px; margin-bottom: 6px; }
.cr-graph-detail header strong { flex: 1; overflow-wrap: anywhere; }
.cr-graph-detail header svg { flex: none; }
.cr-graph-detail dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 10px; margin: 0; }
.cr-graph-detail dt { color: var(--cr-text-soft); font-weight: normal; }
.cr-graph-detail dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.cr-graph-detail pre {
  margin: 8px 0 0; padding: 6px 8px; max-height: 150px; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere;
  background: var(--cr-soft); color: inherit; font-family: var(--jp-code-font-family, monospace); font-size: 11.5px;
}
.cr-graph-legend {
  display: flex; flex-wrap: wrap; gap: 2px 14px; padding: 5px 10px; border-top: 1px solid var(--cr-line);
  color: var(--cr-text-soft);
}
.cr-graph-legend span { display: inline-flex; align-items: center; gap: 5px; white-space: nowrap; }
.cr-graph-hue { width: 4px; height: 13px; border-radius: 2px; display: inline-block; }
.cr-graph-unseen {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
`;

const styled = new WeakSet<Node>();

/** Adds the style sheet to the document or shadow root that holds `element`, once. */
export function ensureStyle(element: HTMLElement): void {
  const root = element.getRootNode();
  const home = root instanceof ShadowRoot ? root : document.head;
  if (!styled.has(home)) {
    const style = document.createElement('style');
    style.textContent = STYLE;
    home.append(style);
    styled.add(home);
  }
}
