"""Remote tracebacks as a notebook shows them."""

from __future__ import annotations

import linecache
import re
import traceback

import pytest
from cellray_kernel.human import plain
from cellray_kernel.remote_cell import CellCode, run_cell
from cellray_kernel.remote_error import render, to_html


def remote_traceback(source: str) -> str:
    lines = source.count("\n")
    code = CellCode(f"%%remote\n{source}", 2, f"Cell In[{lines}]", (), has_value=False)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any
        run_cell(code, {}, ())
    return "".join(traceback.format_exception(caught.value))


def shown(text: str) -> str:
    return plain("\n".join(render("ValueError", "bad", text, lambda file: file)))


def test_only_the_users_frames_with_their_lines() -> None:
    text = shown(remote_traceback("def f(x):\n    raise ValueError('bad')\n\nf(1)\n"))
    assert "remote_cell.py" not in text
    assert text.endswith(
        "Cell In[4], line 5\n"
        "        3     raise ValueError('bad')\n"
        "        4 \n"
        "------> 5 f(1)\n"
        "Cell In[4], line 3, in f\n"
        "        1 %%remote\n"
        "        2 def f(x):\n"
        "------> 3     raise ValueError('bad')\n"
        "        4 \n"
        "        5 f(1)\n"
        "ValueError: bad"
    )


def test_a_chain_shows_each_cause_once() -> None:
    text = shown(
        remote_traceback("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('bad') from e\n")
    )
    assert text.count("ZeroDivisionError: division by zero") == 1
    assert text.count("direct cause") == 1
    assert text.count("ValueError: bad") == 1


def test_lines_that_only_the_worker_has_are_shown_as_it_saw_them() -> None:
    text = 'Traceback (most recent call last):\n  File "/far/away.py", line 7, in g\n    boom()\nValueError: bad\n'
    assert shown(text) == "/far/away.py, line 7, in g\n----> 7 boom()\nValueError: bad"


def test_deep_recursion_is_cut_in_the_middle() -> None:
    frame = '  File "/far/away.py", line 7, in g\n    g()\n'
    text = shown(f"Traceback (most recent call last):\n{frame * 500}RecursionError: deep\n")
    assert "... 488 frames left out ..." in text
    assert len(text.splitlines()) < 40


def test_html_is_escaped() -> None:
    linecache.cache.pop("<cell>", None)
    html = to_html(render("ValueError", "<script>", "", lambda file: file))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_what_has_a_colour_in_a_terminal_stands_out_in_html() -> None:
    html = to_html(["\x1b[36min task f, remotely:\x1b[0m", "\x1b[31mValueError\x1b[0m: 1 < 2"])
    assert "<b>ValueError</b>: 1 &lt; 2" in html
    assert re.search("<span[^>]*>in task f, remotely:</span>", html)
    assert "\x1b" not in html
