"""Calls a function in this process, under a debugger if that is asked for, whatever kind of function it is."""

from __future__ import annotations

import asyncio
import bdb
import inspect
import os
import pdb as standard
import sys
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

OUR_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
Pdb = bool | Literal["start"] | standard.Pdb
"""False; True: stop where it raises, or at the first line if it had not raised then; "start": at the first line. A
debugger of one's own, such as one that reads its commands from a file, is asked as with True."""


class Stepper:
    """Runs calls, and stops as `pdb` says. `had_raised`: how the call ended then."""

    def __init__(self, pdb: Pdb, *, had_raised: bool) -> None:
        self._debugger = None if pdb is False else make_debugger(pdb)
        self._at_start = pdb == "start" or not had_raised

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the function returns: a coroutine's result, the items of a generator as a list.

        Raises what it raises, after the debugger has shown it; bdb.BdbQuit when the user left the debugger.
        """
        if self._debugger is None:
            return call_through(function, args, kwargs)
        if self._at_start:
            results: list[Any] = []
            self._debugger.runcall(_keep, results, function, args, kwargs)
            if not results:
                raise bdb.BdbQuit
            return results[0]
        try:
            return call_through(function, args, kwargs)
        except Exception as error:
            self._debugger.reset()
            self._debugger.interaction(None, users_part(error.__traceback__))
            raise


def call_through(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call it, and run to its end what it returns if that has only begun."""
    result = function(*args, **kwargs)
    if inspect.isgenerator(result):
        return list(result)
    if inspect.isasyncgen(result):
        return _await(_collect(result))
    return _await(result) if inspect.iscoroutine(result) else result


def _keep(results: list[Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Some debuggers say nothing when they are left: then there is no result."""
    results.append(call_through(function, args, kwargs))


def make_debugger(pdb: Pdb) -> standard.Pdb:
    """IPython's in IPython. It passes over our own frames, and stops at first lines rather than at calls."""
    if isinstance(pdb, standard.Pdb):
        made = pdb
    elif pdb not in (True, "start"):
        raise ValueError(f"pdb={pdb!r}: give True, False, 'start', or a pdb.Pdb of your own")
    else:
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        made = standard.Pdb() if shell is None else shell.debugger_cls()
    made.skip = {*(made.skip or ()), "cellray.*"}
    vars(made)["user_call"] = _pass_over
    return made


def _pass_over(_frame: types.FrameType, _arguments: None) -> None:
    """For `bdb.Bdb.user_call`: what is called is shown at its first line."""


def users_part(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """A traceback from the first frame on that is not ours."""
    part = traceback
    while part is not None and part.tb_frame.f_code.co_filename.startswith(OUR_FOLDER):
        part = part.tb_next
    return part or traceback


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
