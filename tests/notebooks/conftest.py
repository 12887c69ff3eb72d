"""Real kernels with a real session: notebooks that are run headless, and a kernel to interrupt."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from queue import Empty
from typing import Any, NamedTuple

import nbformat
import pytest
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient

ANSI = re.compile(r"\x1b\[[0-9;]*m")
LOAD = "%load_ext cellray"
TIMEOUT_S = 60


class Output(NamedTuple):
    """One output of a cell; `text` is plain text without colours, an error's traceback included."""

    kind: str
    text: str
    html: str


RunNotebook = Callable[..., list[list[Output]]]


@pytest.fixture(autouse=True)
def small_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLRAY_NUM_CPUS", "2")


@pytest.fixture
def run_notebook() -> RunNotebook:
    """Run cells headless behind `%load_ext cellray`; the outputs of each."""

    def run(*cells: str) -> list[list[Output]]:
        sources = [LOAD, *cells, "cellray.shutdown() if 'cellray' in globals() else __import__('cellray').shutdown()"]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        NotebookClient(notebook, timeout=TIMEOUT_S, kernel_name="python3", allow_errors=True).execute()
        return [[output_of(each) for each in cell.outputs] for cell in notebook.cells[1:-1]]

    return run


def output_of(output: Any) -> Output:
    if output.output_type == "stream":
        return Output(output.name, output.text, "")
    if output.output_type == "error":
        return Output("error", ANSI.sub("", "\n".join(output.traceback)), "")
    html = output.data.get("text/html", "")
    return Output(output.output_type, ANSI.sub("", output.data.get("text/plain", "")), html)


class LiveKernel:
    """A kernel that a test talks to while cells run."""

    def __init__(self, manager: KernelManager, client: Any) -> None:
        self.manager = manager
        self.client = client

    def execute(self, code: str, *, cell_id: str | None = None) -> str:
        """Begin a cell; the id of its request."""
        message = self.client.session.msg(
            "execute_request",
            {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
             "stop_on_error": True},
            metadata={"cellId": cell_id} if cell_id else {},
        )  # fmt: skip
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def messages(self, request: str, *, until: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """What is published until a message of that request satisfies `until`, that one included."""
        found, deadline = [], time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except Empty:
                continue
            found.append(message)
            if message["parent_header"].get("msg_id") == request and until(message):
                return found
        raise AssertionError(f"not published within {TIMEOUT_S} s; last: {found[-1:]}")

    def finish(self, request: str) -> list[dict[str, Any]]:
        """What is published until the request is done."""
        return self.messages(request, until=lambda message: message["content"].get("execution_state") == "idle")

    def run(self, code: str, *, cell_id: str | None = None) -> list[dict[str, Any]]:
        """Run a cell to its end."""
        return self.finish(self.execute(code, cell_id=cell_id))

    def interrupt(self) -> None:
        """What the stop button does."""
        self.manager.interrupt_kernel()


@pytest.fixture
def kernel() -> Iterator[LiveKernel]:
    """A kernel with the extension loaded and a session started; both end with the test."""
    manager, client = start_new_kernel(kernel_name="python3")
    live = LiveKernel(manager, client)
    try:
        live.run(f"import cellray\n{LOAD}\ncellray.init()")
        yield live
        live.run("cellray.shutdown()")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def texts(messages: list[dict[str, Any]], kind: str = "") -> list[str]:
    """The plain texts of displays, streams and errors."""
    found = []
    for message in messages:
        content = message["content"]
        if kind and message["msg_type"] != kind:
            continue
        text = (
            content.get("data", {}).get("text/plain") or content.get("text") or "\n".join(content.get("traceback", []))
        )
        if text:
            found.append(ANSI.sub("", text))
    return found
