"""Calls a function in this process, under a debugger if that is asked for, whatever kind of function it is."""

from __future__ import annotations

import asyncio
import bdb
import fnmatch
import pdb as standard
import sys
import types
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from cellray.errors import ReplayError

OURS = "cellray.*"
"""Modules whose frames no user need see."""
Pdb = bool | Literal["start"] | standard.Pdb
"""False; True: stop where it raises, or at the first line if it had not raised then; "start": at the first line. A
debugger of one's own, such as one that reads its commands from a file, is asked as with True."""


class Stepper:
    """Runs calls, and stops as `pdb` says, but not in our modules: `ours` are more of them. `had_raised`: how the call
    ended then."""

    def __init__(self, pdb: Pdb, ours: Sequence[str] = (), *, had_raised: bool = False) -> None:
        self._debugger = None if pdb is False else make_debugger(pdb, ours)
        self._ours = ours
        self._at_start = pdb == "start" or not had_raised

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the function returns: a coroutine's result, the items of a generator as a list.

        Raises what it raises, after the debugger has shown it; bdb.BdbQuit when the user left the debugger, ReplayError
        when there is nobody to debug.
        """
        if self._debugger is None:
            return call_through(function, args, kwargs)
        try:
            if self._at_start:
                return self._from_start(self._debugger, function, args, kwargs)
            try:
                return call_through(function, args, kwargs)
            except Exception as error:
                self._debugger.reset()
                self._debugger.interaction(None, users_part(error.__traceback__, self._ours))
                raise
        except Exception as error:
            if type(error).__name__ == "StdinNotImplementedError":
                raise ReplayError(
                    "there is nobody to debug: this notebook runs without input. Give a debugger that reads its "
                    "commands elsewhere: cellray.replay(ref, pdb=pdb.Pdb(stdin=..., stdout=...))."
                ) from None
            raise

    def _from_start(
        self, debugger: standard.Pdb, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        results: list[Any] = []
        debugger.runcall(_keep, results, function, args, kwargs)
        if not results:
            raise bdb.BdbQuit
        return results[0]


def call_through(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call it, and run to its end what it returns if that has only begun."""
    result = function(*args, **kwargs)
    # Not with functions of the standard library: a debugger would stop in them.
    if isinstance(result, types.GeneratorType):
        return list(result)
    if isinstance(result, types.AsyncGeneratorType):
        return _await(_collect(result))
    return _await(result) if isinstance(result, types.CoroutineType) else result


def _keep(results: list[Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Some debuggers say nothing when they are left: then there is no result."""
    results.append(call_through(function, args, kwargs))


def make_debugger(pdb: Pdb, ours: Sequence[str]) -> standard.Pdb:
    """IPython's in IPython. It passes over our frames, and stops at first lines rather than at calls."""
    if isinstance(pdb, standard.Pdb):
        made = pdb
    elif pdb not in (True, "start"):
        raise ValueError(f"pdb={pdb!r}: give True, False, 'start', or a pdb.Pdb of your own")
    else:
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        made = standard.Pdb() if shell is None else shell.debugger_cls()
    made.skip = {*(made.skip or ()), OURS, *ours}
    vars(made)["user_call"] = _pass_over
    return made


def _pass_over(_frame: types.FrameType, _arguments: None) -> None:
    """For `bdb.Bdb.user_call`: what is called is shown at its first line."""


def users_part(traceback: types.TracebackType | None, ours: Sequence[str]) -> types.TracebackType | None:
    """A traceback from the first frame on that is the user's."""
    part = traceback
    while part is not None and _is_ours(part.tb_frame.f_globals.get("__name__", ""), ours):
        part = part.tb_next
    return part or traceback


def _is_ours(module: str, ours: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(module, pattern) for pattern in (OURS, *ours))


def was_quit(error: BaseException) -> bool:
    """Whether the user left the debugger."""
    return isinstance(error, bdb.BdbQuit)


async def _collect(items: Any) -> list[Any]:
    return [item async for item in items]


def _await(coroutine: Any) -> Any:
    """On an event loop of its own, also where one runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
