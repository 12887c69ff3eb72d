"""The engine of this process: set by `init` in a driver, by the worker's start in a worker."""

from __future__ import annotations

import os
from collections.abc import Callable

from cellray.errors import SessionError
from cellray.ports import Engine

engine: Engine | None = None
"""None while this process has no session. Read by the verbs of objects, for which a call of a function is too long."""
_inherited: Engine | None = None
"""In a forked process the parent's, which is of no use here: the connection is the parent's."""


before_end: list[Callable[[], None]] = []
"""Called by `shutdown` while the session is still there, for those who look at it: what they show then stays."""


def set_engine(new: Engine | None) -> None:
    """Make `new` the engine that the API of this process uses."""
    global engine, _inherited
    engine, _inherited = new, None


def _disown() -> None:
    global engine, _inherited
    engine, _inherited = None, engine or _inherited


# Asked at each call of a remote function: a hook costs that call nothing, where comparing process ids is a system call.
os.register_at_fork(after_in_child=_disown)


def engine_or_none() -> Engine | None:
    """The engine, if this process has a session."""
    return engine


def require_engine() -> Engine:
    """The engine.

    Raises SessionError when there is none; the reason is another in a process that was forked from a driver: the
    connection belongs to the parent.
    """
    if engine is not None:
        return engine
    if _inherited is not None:
        raise SessionError(
            "this process was forked from one that had a Cellray session, and a session cannot be shared by forking. "
            "Call cellray.init(address='auto') in the child, or start it with the 'spawn' method."
        )
    raise SessionError("no Cellray session: call cellray.init() first")


def has_no_session() -> bool:
    """Whether this process has none and inherited none: the API may start one."""
    return engine is None and _inherited is None
