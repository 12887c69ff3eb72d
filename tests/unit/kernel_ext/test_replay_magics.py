"""The words of `%replay` and `%rerun`: options in front, then an expression as it is written in Python."""

from __future__ import annotations

from typing import Any

import pytest
from cellray_kernel.replay_magics import RERUN_USAGE, read_words, rerun
from IPython.core.error import UsageError


class Shell:
    def __init__(self, **names: Any) -> None:
        self.names = names

    def ev(self, expression: str) -> Any:
        return eval(expression, self.names)


@pytest.mark.parametrize(
    ("line", "options", "expression"),
    [
        ("y", {}, "y"),
        ("--pdb y", {"--pdb": []}, "y"),
        ("""  --pdb  refs["a b"][-1]""", {"--pdb": []}, """refs["a b"][-1]"""),
        ("-f step -f other=new y", {"-f": ["step", "other=new"]}, "y"),
        ("--args '(1, 2)' f(x)", {"--args": ["(1, 2)"]}, "f(x)"),
        ("""--args "'a', 'b'" y""", {"--args": ["'a', 'b'"]}, "y"),
    ],
)
def test_words(line: str, options: dict[str, list[str]], expression: str) -> None:
    assert read_words(line, ("--pdb",), ("-f", "--args"), "") == (options, expression)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "which task"),
        ("--pdb", "which task"),
        ("--args", "--args wants a value"),
        ("--pbd y", "unknown option --pbd"),
    ],
)
def test_what_makes_no_sense_is_said_with_the_usage(line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read_words(line, ("--pdb",), ("--args",), "how it is used")
    assert "how it is used" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [("--args 7 y", "a tuple or a list.* got int"), ("--kwargs [] y", "a dict.* got list")],
)
def test_arguments_are_checked(line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        rerun(Shell(y=1), line)
    assert RERUN_USAGE in str(caught.value)
