"""Where a remote cell's code stands in what the user sees."""

from __future__ import annotations

import pytest
from cellray_kernel.remote_magic import locate


@pytest.mark.parametrize(
    ("raw", "first_line"),
    [
        ("%%remote --wait\nx = 1\n", 2),
        ("\n\n%%remote --wait\nx = 1", 4),
    ],
)
def test_lines_count_as_in_the_editor(raw: str, first_line: int) -> None:
    place = locate(raw, "--wait", "x = 1\n")
    assert place.first_line == first_line
    assert place.text.splitlines()[first_line - 1] == "x = 1"


def test_a_magic_that_is_called_by_code_gets_a_text_of_its_own() -> None:
    place = locate("get_ipython().run_cell_magic('remote', '', 'x = 1')", "", "x = 1")
    assert place.text == "%%remote \nx = 1"
    assert place.first_line == 2
