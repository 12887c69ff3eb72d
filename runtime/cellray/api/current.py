"""The engine of this process: set by `init` in a driver, by the worker's start in a worker."""

from __future__ import annotations

import os
from collections.abc import Callable

from cellray.errors import SessionError
from cellray.ports import Engine

_engine: Engine | None = None
_inherited: Engine | None = None
"""In a forked process the parent's, which is of no use here: the connection is the parent's."""
_starter: Callable[[], None] | None = None


def set_engine(engine: Engine | None) -> None:
    """Make `engine` the one that the API of this process uses."""
    global _engine, _inherited
    _engine, _inherited = engine, None


def _disown() -> None:
    global _engine, _inherited
    _engine, _inherited = None, _engine or _inherited


# Asked at each call of a remote function: a hook costs that call nothing, where comparing process ids is a system call.
os.register_at_fork(after_in_child=_disown)


def set_starter(starter: Callable[[], None]) -> None:
    """What starts a session when the API is used before `init` (Ray does the same)."""
    global _starter
    _starter = starter


def engine_or_none() -> Engine | None:
    """The engine, if this process has a session."""
    return _engine


def require_engine() -> Engine:
    """The engine; starts a session when there is none.

    Raises SessionError in a process that was forked from a driver: the connection belongs to the parent.
    """
    if _engine is not None:
        return _engine
    if _inherited is not None:
        raise SessionError(
            "this process was forked from one that had a Cellray session, and a session cannot be shared by forking. "
            "Call cellray.init(address='auto') in the child, or start it with the 'spawn' method."
        )
    if _starter is None:
        raise SessionError("no Cellray session: call cellray.init() first")
    _starter()
    assert _engine is not None
    return _engine
