"""Functions as they were when they were exported, with their source where tracebacks and debuggers look for it."""

from __future__ import annotations

import functools
import inspect
import io
import linecache
import pickle
import types
import warnings
from collections.abc import Callable
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from cellray.errors import ReplayError
from cellray.model.history import TaskHistory
from cellray.model.task import Function
from cellray.replaying.changes import is_imported
from cellray.replaying.past import name_of

MAKERS = {"_make_skeleton_class": 4, "_make_skeleton_enum": 5}
"""What makes classes in a pickle, and which argument tells them apart."""

NAME_AT = 1
ALL = "*"


def function_of(history: TaskHistory, *, is_private: bool = False) -> Callable[..., Any]:
    """What the task called: a function or a class. Raises ReplayError when it cannot be had here.

    The class of an actor is a copy, whose methods see what they saw then. Other classes that this process has still are
    those; with `is_private` they are copies too, to be changed at will.
    """
    function = history.function
    if function is None:
        raise ReplayError(
            f"{name_of(history)} cannot be replayed: its function is not in the log. It began after the function was "
            "registered, or what was first in it was given up."
        )
    try:
        is_actor = history.template is not None and history.template.actor is not None
        copied = function.name.rpartition(".")[2] if is_actor else ""
        loaded: Callable[..., Any] = FunctionUnpickler(function.pickled, ALL if is_private else copied).load()
    except Exception as error:
        raise ReplayError(
            f"{name_of(history)} cannot be replayed: its function `{function.module}.{function.name}` no longer "
            f"imports here ({type(error).__name__}: {error}). Make it importable as it was then."
        ) from error
    _place_source(loaded, function)
    return loaded


class FunctionUnpickler(pickle.Unpickler):
    """Loads what cloudpickle wrote, and leaves alone what is here.

    Cloudpickle knows a class again that it has written in this process, and sets the attributes of then in it: the
    methods of a class in a notebook would see the notebook's variables no more. `copied` is the class that is to be
    another one than that here, ALL for all of them.
    """

    def __init__(self, data: bytes, copied: str) -> None:
        super().__init__(io.BytesIO(data))
        self._copied = copied
        self._known: list[Any] = []

    def find_class(self, module: str, name: str) -> Any:
        """See `pickle.Unpickler.find_class`."""
        found = super().find_class(module, name)
        if module == cloudpickle.cloudpickle.__name__:
            if name in MAKERS:
                return functools.partial(self._make, found, MAKERS[name])
            if name == "_class_setstate":
                return self._set_state
        return found

    def _make(self, make: Any, tracker_at: int, *args: Any) -> Any:
        if self._copied in (ALL, args[NAME_AT]):
            return make(*args[:tracker_at], None, *args[tracker_at + 1 :])
        known = cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(args[tracker_at])
        if known is not None:
            self._known.append(known)
        return make(*args) if known is None else known

    def _set_state(self, made: Any, state: Any) -> Any:
        if any(made is known for known in self._known):
            return made
        return cloudpickle.cloudpickle._class_setstate(made, state)


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
