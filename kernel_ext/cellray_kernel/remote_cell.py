"""The function that runs a notebook cell on a worker.

`run_cell` is imported by the worker, so its own code never travels; the cell travels as a `CellCode`. What this file
imports is imported by every worker that runs a cell: no IPython here.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import linecache
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType, FrameType, TracebackType
from typing import Any

from cellray.exceptions import CellrayError, SerializationError

from cellray_kernel.pickling import why_unpicklable

CELLS_COMPILED_MAX = 32


@dataclass(frozen=True, slots=True)
class CellCode:
    """One cell, ready to run anywhere.

    `text` is what the user sees, magic line included, of which the code begins at `first_line`: so tracebacks show
    the cell's own lines. `filename` is what IPython calls it, such as `Cell In[5]`. `values` and
    `modules` are what it takes from the notebook; references travel beside it, as arguments of the task.
    """

    text: str
    first_line: int
    filename: str
    outputs: tuple[str, ...]
    has_value: bool
    values: dict[str, Any] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)


def run_cell(cell: CellCode, given: dict[str, Any], ref_names: tuple[str, ...], *ref_values: Any) -> Any:
    """Run the cell; a value for each of its `outputs` and then the last expression's (None without one).

    `given` are the loop variables of a fan-out. What a value cannot be (unassigned, not picklable) is replaced by
    something that raises, when it is unpickled, an error that names the variable: the other values arrive.
    """
    remember_source(cell)
    namespace: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins, "display": display}
    namespace.update((name, importlib.import_module(path)) for name, path in cell.modules.items())
    namespace.update(cell.values)
    namespace.update(zip(ref_names, ref_values, strict=True))
    namespace.update(given)
    body, last = compile_cell(cell.text, cell.first_line, cell.filename, cell.has_value)
    try:
        exec(body, namespace)
        value = eval(last, namespace) if last is not None else None
    except BaseException as error:
        raise error.with_traceback(_from_user_code(error.__traceback__, cell.filename)) from error.__cause__
    results = [_returned(name, namespace, cell) for name in cell.outputs]
    results.append(value if why_unpicklable(value) is None else TextOnly(text_form(value)))
    # A task with one return returns that value itself (Ray's rule).
    return tuple(results) if cell.outputs else results[0]


# To people it is the cell: its tasks, and the function that they are grouped by, go by the cell's name.
run_cell.__cellray_anonymous__ = True  # type: ignore[attr-defined]


@lru_cache(maxsize=CELLS_COMPILED_MAX)
def compile_cell(text: str, first_line: int, filename: str, has_value: bool) -> tuple[CodeType, CodeType | None]:
    """The cell's statements, and its last expression when its value is wanted, with the lines the user sees.

    The fields are those of `CellCode`. Kept, because a fan-out runs the same cell many times in one worker.
    """
    # Blank lines stand for the magic line, so that the code keeps its line numbers.
    lines = ["\n"] * (first_line - 1) + text.splitlines(keepends=True)[first_line - 1 :]
    tree = ast.parse("".join(lines), filename)
    last: CodeType | None = None
    if has_value:
        statement = tree.body.pop()
        assert isinstance(statement, ast.Expr)
        last = compile(ast.Expression(statement.value), filename, "eval", dont_inherit=True)
    return compile(tree, filename, "exec", dont_inherit=True), last


def remember_source(cell: CellCode) -> None:
    """Let tracebacks and `inspect.getsource` find the cell's lines, for as long as the process lives."""
    lines = cell.text.splitlines(keepends=True)
    linecache.cache[cell.filename] = (len(cell.text), None, lines, cell.filename)


def display(*objects: Any, **_options: Any) -> None:
    """The notebook's `display` on a worker: the text form of each object, printed to the cell's output."""
    for value in objects:
        print(value if isinstance(value, str) else text_form(value))  # noqa: T201


def text_form(value: Any) -> str:
    """What a notebook shows of a value as plain text."""
    from IPython.lib.pretty import pretty

    text: str = pretty(value)  # type: ignore[no-untyped-call]
    return text


def _from_user_code(traceback: TracebackType | None, filename: str) -> TracebackType | None:
    """The part of a traceback from the cell's own frame on."""
    part = traceback
    while part is not None and not _is_of(part.tb_frame, filename):
        part = part.tb_next
    return part or traceback


def _is_of(frame: FrameType, filename: str) -> bool:
    return frame.f_code.co_filename == filename


def _returned(name: str, namespace: dict[str, Any], cell: CellCode) -> Any:
    if name not in namespace:
        return Unavailable(
            name,
            "NameError",
            f"{cell.filename} ended without assigning {name!r}",
            "Give it a value on every path through the cell.",
        )
    return _guarded(name, namespace[name])


def _guarded(name: str, value: Any) -> Any:
    reason = why_unpicklable(value)
    if reason is None:
        return value
    return Unavailable(
        name, "SerializationError", reason, "Use it inside the remote cell, and give back something that is data."
    )


@dataclass(frozen=True, slots=True)
class TextOnly:
    """What is shown of a last expression's value that cannot be copied to the notebook."""

    text: str

    def __repr__(self) -> str:
        return self.text


class Unavailable:
    """Stands for a value that a cell could not give back. It pickles to a call that raises."""

    def __init__(self, name: str, kind: str, reason: str, advice: str) -> None:
        self.facts = (name, kind, reason, advice)

    def __reduce__(self) -> tuple[Any, ...]:
        return raise_unavailable, self.facts


class UnassignedNameError(CellrayError, NameError):
    """A remote cell ended without assigning the variable."""


def raise_unavailable(name: str, kind: str, reason: str, advice: str) -> None:
    """What unpickling an `Unavailable` does: raises NameError or SerializationError."""
    if kind == "NameError":
        raise UnassignedNameError(f"{reason}. {advice}", name=name)
    raise SerializationError(name, reason, advice)
