"""Takes the pictures of the documentation: `python -m tests.ui.take_pictures` writes docs/*.png anew.

They show the quickstart notebook as it runs, in a real JupyterLab, cut to what a reader wants to see.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, expect, sync_playwright

from tests.ui.conftest import FLAGS, find_browser
from tests.ui.lab import Lab
from tests.ui.server import JupyterServer

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "00_quickstart.ipynb"
DOCS = ROOT / "docs"
VIEWPORT = {"width": 1400, "height": 1700}
GRAPH, FAN_OUT, SEARCH, LINEAGE = 1, 3, 6, 8

# What stands between the cells of the picture is true and not needed: text, the function, the figure.
KEEP_ONLY = """
keep => {
    const shown = [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell')];
    let code = -1;
    for (const cell of shown) {
        const isCode = cell.classList.contains('jp-CodeCell');
        code += isCode ? 1 : 0;
        cell.style.display = isCode && keep.includes(code) ? '' : 'none';
    }
}
"""


def main() -> None:
    """Run the notebook, and take each picture when its moment has come."""
    DOCS.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        JupyterServer(Path(folder)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        lab = Lab(server, browser.new_context(viewport=VIEWPORT).new_page())
        take_quickstart(lab)
        browser.close()


def take_quickstart(lab: Lab) -> None:
    """The graph while the search runs, the cells that it came from, and then the lineage of its result."""
    lab.open(NOTEBOOK)
    lab.do("application:toggle-left-area")
    for cell in range(SEARCH):
        lab.run_cell(cell)
    lab.page.evaluate(KEEP_ONLY, [GRAPH, FAN_OUT, SEARCH, LINEAGE])
    lab.start_cell(SEARCH)
    lab.start_cell(LINEAGE)
    lab.page.mouse.move(0, 0)
    expect(lab.graph(LINEAGE)).to_contain_text("started by")  # in its legend, which comes with the first nested tasks
    expect(lab.cell(SEARCH)).to_contain_text("generation 1")
    save(lab.page.screenshot(clip=around(lab)), "quickstart.png")


def save(picture: bytes, name: str) -> None:
    """Write it in as many colours as anybody sees, a third of the size."""
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256).save(DOCS / name, optimize=True)


def around(lab: Lab) -> FloatRect:
    """The notebook's cells, without what JupyterLab has around them."""
    first = lab.cell(GRAPH).bounding_box()
    last = lab.cell(LINEAGE).bounding_box()
    assert first
    assert last
    top = first["y"] - 4
    bottom = min(last["y"] + last["height"] + 4, VIEWPORT["height"])
    return {"x": first["x"], "y": top, "width": first["width"], "height": bottom - top}


if __name__ == "__main__":
    main()
