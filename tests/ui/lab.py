"""What a test does in JupyterLab, as a person would: open a notebook, run it, read it, take a picture."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page, expect

from tests.ui.server import JupyterServer

SCREENSHOTS = Path(__file__).parent / "screenshots"
STEP_S_MAX = 60
expect.set_options(timeout=STEP_S_MAX * 1000)

# The code cells of the visible notebook that hold code: the number in the prompt ('*' while running) and the
# error, which is read from the model: in the document it looks like anything else that went to stderr.
CODE_CELLS = r"""
() => [...window.jupyterapp.shell.widgets('main')]
    .filter(widget => widget.isVisible && widget.content?.model?.cells)
    .flatMap(panel => panel.content.widgets)
    .filter(cell => cell.model.type === 'code' && cell.model.sharedModel.source.trim())
    .map(cell => ({
        prompt: cell.node.querySelector('.jp-InputArea-prompt').innerText.match(/\[(.*)\]/)?.[1].trim() ?? '',
        error: cell.model.outputs.toJSON()
            .find(output => output.output_type === 'error')?.traceback.join('\n') ?? null
    }))
"""
# A new kernel counts from 1 again: the number of an earlier run could be taken for that of the next one.
FORGET_RUN = r"""
index => {
    const notebook = [...window.jupyterapp.shell.widgets('main')]
        .find(widget => widget.isVisible && widget.content?.model?.cells).content;
    notebook.widgets.filter(cell => cell.model.type === 'code')[index].model.executionCount = null;
}
"""
# What is executed in a kernel's very first moments may be lost on its way; nobody answers it then.
KERNEL_EXECUTES = r"""
async () => {
    const kernel = [...window.jupyterapp.shell.widgets('main')]
        .find(widget => widget.isVisible && widget.content?.model?.cells).sessionContext.session.kernel;
    await kernel.info;
    for (let attempt = 0; attempt < 10; attempt++) {
        const done = kernel.requestExecute({ code: 'pass', silent: true, store_history: false }).done;
        const late = new Promise(resolve => setTimeout(() => resolve(null), 3000));
        if (await Promise.race([done, late])) {
            return;
        }
    }
    throw new Error('the kernel executes nothing');
}
"""
# A cell is done when its prompt shows a number above those of earlier runs. A failing cell ends the run.
RUN_ENDED = f"""
(before) => {{
    const cells = ({CODE_CELLS})();
    const failed = cells.some(cell => cell.error) && !cells.some(cell => cell.prompt === '*');
    return failed || cells.every(cell => Number(cell.prompt) > before);
}}
"""


class Lab:
    """One browser page on one JupyterLab; the notebook that was opened last is the one that is meant."""

    def __init__(self, server: JupyterServer, page: Page) -> None:
        self.server = server
        self.page = page
        page.set_default_timeout(STEP_S_MAX * 1000)

    @property
    def status_item(self) -> Locator:
        """Cellray's item in the status bar."""
        return self.page.get_by_test_id("cellray-status")

    def new_notebook(self, name: str, *sources: str) -> Path:
        """Write a notebook with one code cell for each source, and return its path."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in sources],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        path = self.server.root / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path

    def open(self, notebook: Path) -> None:
        """Show a notebook and wait until its kernel can run cells.

        One that is not the server's is copied there without its outputs.
        """
        if notebook.parent != self.server.root:
            nbformat.write(_without_outputs(notebook), self.server.root / notebook.name)
        self._go(f"/tree/{notebook.name}")
        self.cell(0).wait_for()
        self.wait_kernel_idle()

    def open_without_kernel(self, notebook: Path) -> None:
        """Show a notebook of the server, as it was saved."""
        self._go("")
        arguments = {"path": notebook.name, "kernelPreference": {"shouldStart": False}}
        self.page.evaluate("() => window.jupyterapp.restored.then(() => true)")
        self.page.evaluate("args => void window.jupyterapp.commands.execute('docmanager:open', args)", arguments)
        self.cell(0).wait_for()

    def _go(self, path: str) -> None:
        self.page.goto(f"{self.server.url}/lab{path}?reset&token={self.server.token}")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def wait_kernel_idle(self, timeout_s: float = STEP_S_MAX) -> None:
        """Wait for the status bar to say Idle; the notebook's own indicator says so without a kernel."""
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text(
            re.compile(r"\| Idle"), timeout=timeout_s * 1000
        )
        # It says so too before the first answer has come through.
        self.page.evaluate(KERNEL_EXECUTES)

    def run_all_cells(self, timeout_s: float = STEP_S_MAX) -> None:
        """Run the notebook from the menu, as people do; raise with the cell's error when one fails."""
        before = max((int(cell["prompt"] or 0) for cell in self.page.evaluate(CODE_CELLS)), default=0)
        self.page.locator("#jp-MainMenu").get_by_text("Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(RUN_ENDED, arg=before, timeout=timeout_s * 1000)
        for cell in self.page.evaluate(CODE_CELLS):
            if cell["error"] is not None:
                raise AssertionError(f"Cell [{cell['prompt']}] failed:\n{cell['error']}")

    def start_cell(self, index: int) -> None:
        """Run a cell as with Shift+Enter, and go on at once; its prompt is empty until the run counts."""
        self.page.evaluate(FORGET_RUN, index)
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")

    def run_cell(self, index: int, timeout_s: float = STEP_S_MAX) -> None:
        """Run a cell, wait until it has ended, and raise with its error when it fails."""
        self.start_cell(index)
        self.wait_cell_done(index, timeout_s)
        error = self.page.evaluate(CODE_CELLS)[index]["error"]
        if error is not None:
            raise AssertionError(f"Cell [{self.prompt(index)}] failed:\n{error}")

    def wait_cell_done(self, index: int, timeout_s: float = STEP_S_MAX) -> None:
        """Wait for the number in a cell's prompt."""
        done = f"index => /^[0-9]+$/.test(({CODE_CELLS})()[index].prompt)"
        self.page.wait_for_function(done, arg=index, timeout=timeout_s * 1000)

    def prompt(self, index: int) -> str:
        """The number of a cell's last run; `*` while it runs."""
        prompt: str = self.page.evaluate(CODE_CELLS)[index]["prompt"]
        return prompt

    def error(self, index: int) -> str | None:
        """The error that a cell ended with, as shown, without colours."""
        error: str | None = self.page.evaluate(CODE_CELLS)[index]["error"]
        return error and re.sub(r"\x1b\[[0-9;]*m", "", error)

    def do(self, command: str) -> None:
        """Execute one of JupyterLab's commands by its id."""
        self.page.evaluate("id => void window.jupyterapp.commands.execute(id)", command)

    def save(self) -> None:
        """Save the notebook and wait until it is."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def graph(self, index: int) -> Locator:
        """The live graph below a cell."""
        return self.cell(index).get_by_test_id("cellray-graph")

    def graph_number(self, index: int, state: str) -> int:
        """How many tasks the graph below a cell says are in a state."""
        return int(self.graph(index).get_attribute(f"data-{state}") or 0)

    def cell(self, index: int) -> Locator:
        """Return the code cell with this index, markdown not counted."""
        return self._notebook().locator(".jp-CodeCell").nth(index)

    def cell_output_text(self, index: int) -> str:
        """Return what a code cell shows below it, as text; outputs are joined by line ends."""
        return "\n".join(self.cell(index).locator(".jp-OutputArea-output").all_inner_texts())

    def screenshot(self, name: str) -> Path:
        """Save what the page shows now as tests/ui/screenshots/NAME.png."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def _notebook(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")


def _without_outputs(notebook: Path) -> nbformat.NotebookNode:
    """As before its first run: numbers of an earlier one would be taken for those of the next."""
    document = nbformat.read(notebook, as_version=4)
    for cell in document.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return document
