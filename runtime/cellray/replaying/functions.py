"""Functions as they were when they were exported, with their source where tracebacks and debuggers look for it."""

from __future__ import annotations

import inspect
import linecache
import types
import warnings
from collections.abc import Callable
from typing import Any

from cellray.errors import ReplayError
from cellray.model.history import TaskHistory
from cellray.model.task import Function
from cellray.replaying.changes import is_imported
from cellray.replaying.past import name_of
from cellray.serialization import deserialize_function


def function_of(history: TaskHistory) -> Callable[..., Any]:
    """What the task called: a function or a class. Raises ReplayError when it cannot be had here."""
    function = history.function
    if function is None:
        raise ReplayError(
            f"{name_of(history)} cannot be replayed: its function is not in the log. It began after the function was "
            "registered, or what was first in it was given up."
        )
    try:
        loaded = deserialize_function(function.pickled)
    except Exception as error:
        raise ReplayError(
            f"{name_of(history)} cannot be replayed: its function `{function.module}.{function.name}` no longer "
            f"imports here ({type(error).__name__}: {error}). Make it importable as it was then."
        ) from error
    _place_source(loaded, function)
    return loaded


def _place_source(loaded: Any, function: Function) -> None:
    """Have the lines of then shown. The file may have gone, as a notebook's does, or say something else today."""
    plain = inspect.unwrap(loaded) if callable(loaded) else loaded
    if not function.source or not isinstance(plain, types.FunctionType):
        return
    code = plain.__code__
    lines = function.source.splitlines(keepends=True)
    first = code.co_firstlineno - 1
    now = linecache.getlines(code.co_filename)[first : first + len(lines)]
    if [line.rstrip() for line in now] == [line.rstrip() for line in lines]:
        return
    if is_imported(plain):
        if now:
            warnings.warn(
                f"`{function.module}.{function.name}` is imported from {code.co_filename}, which has changed since the "
                "task ran: what is replayed is the function of today.",
                stacklevel=2,
            )
        return
    name = f"<{function.name} of then, {function.function_hash[:4].hex()}>"
    text = ["\n"] * first + lines
    # Without a time it is not looked for on the disk, and stays.
    linecache.cache[name] = (len(function.source), None, text, name)
    plain.__code__ = _renamed(code, name)


def _renamed(code: types.CodeType, filename: str) -> types.CodeType:
    inner = tuple(_renamed(each, filename) if isinstance(each, types.CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=filename, co_consts=inner)
