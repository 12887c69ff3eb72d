"""One process of a pool: an actor that runs chunks of calls."""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Callable, Iterable
from multiprocessing.pool import ExceptionWithTraceback, MaybeEncodingError  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import cellray
from cellray import ObjectRef
from cellray.serialization.pickler import dumps

FUNCTIONS_MAX = 32


class ChunkResult(NamedTuple):
    """Values in order; at the places of calls that raised, what they raised. `seconds` is how long it all took."""

    values: list[Any]
    failures: dict[int, BaseException]
    seconds: float


class PoolProcess:
    """The actor's class."""

    def __init__(self, initializer: Callable[..., Any] | None, initargs: Iterable[Any]) -> None:
        self._functions: dict[ObjectRef, Callable[..., Any]] = {}
        self._globals_set: dict[str, Any] = {}
        if initializer is not None:
            variables = getattr(initializer, "__globals__", {})
            before = dict(variables)
            initializer(*initargs)
            self._globals_set = {name: value for name, value in variables.items() if before.get(name) is not value}

    def ready(self) -> None:
        """Answers when the initializer has run."""

    def call(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> ChunkResult:
        """One call."""
        self._share_globals(func)
        return _run([(args, kwargs)], lambda call: func(*call[0], **call[1]))

    def map(self, func: list[ObjectRef], items: list[Any]) -> ChunkResult:
        """`func(item)` for each item. The function comes as a reference inside a list, so that it is read only once."""
        return _run(items, self._function(func[0]))

    def starmap(self, func: list[ObjectRef], items: list[Any]) -> ChunkResult:
        """`func(*item)` for each item."""
        function = self._function(func[0])
        return _run(items, lambda item: function(*item))

    def _function(self, ref: ObjectRef) -> Callable[..., Any]:
        function = self._functions.get(ref)
        if function is None:
            if len(self._functions) >= FUNCTIONS_MAX:
                self._functions.clear()
            function = self._functions[ref] = cellray.get(ref)
            self._share_globals(function)
        return function

    def _share_globals(self, function: Callable[..., Any]) -> None:
        """Functions of a script or a notebook travel each with globals of its own: let them see what the initializer,
        which came by itself, has set in its."""
        variables = getattr(function, "__globals__", None)
        module = sys.modules.get(getattr(function, "__module__", None) or "")
        if self._globals_set and variables is not None and variables is not getattr(module, "__dict__", None):
            variables.update(self._globals_set)


def _run(items: Iterable[Any], function: Callable[[Any], Any]) -> ChunkResult:
    began = time.perf_counter()
    values: list[Any] = []
    failures: dict[int, BaseException] = {}
    for item in items:
        try:
            values.append(function(item))
        except Exception as error:
            failures[len(values)] = _sendable(error)
            values.append(None)
    return ChunkResult(values, failures, time.perf_counter() - began)


def _sendable(error: Exception) -> Any:
    """As multiprocessing sends exceptions: with the remote traceback, of the user's frames, as their cause."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    wrapped = ExceptionWithTraceback(error, trace)
    try:
        pickle.loads(dumps(wrapped))
    except Exception as reason:
        return MaybeEncodingError(reason, error)
    return wrapped
