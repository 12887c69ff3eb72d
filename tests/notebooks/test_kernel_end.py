"""A kernel that ends without `cellray.shutdown()`, as most do."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from tests.notebooks.conftest import LOAD, TIMEOUT_S

CELLS = (LOAD, "%graph", "%%remote --for n in range(300) --wait\nn", "%%remote --for n in range(300)\nm = n")


def test_the_last_pictures_leave_before_the_kernel_cannot_send_them(capfd: pytest.CaptureFixture[str]) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    NotebookClient(notebook, timeout=TIMEOUT_S, kernel_name="python3").execute()
    said = capfd.readouterr().err
    assert "Traceback" not in said, said
