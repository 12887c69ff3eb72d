"""The views of this process's session: one follower of its log, shared by everything that looks at it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cellray.api import current
from cellray.api import session as api_session
from cellray.errors import SessionError
from cellray.gcs.log_history import LogHistory
from cellray.ids import SessionId
from cellray.launch import find_session
from cellray.node.archives import read_session
from cellray.node.control_client import ControlClient
from cellray.observe.exports import trace_of
from cellray.observe.fold import LogFold
from cellray.observe.follow import LogFollower
from cellray.observe.records import ENDED_NAMES
from cellray.observe.scope import GraphFilter
from cellray.observe.subjects import NodeKey, asked_key, knows
from cellray.observe.view import GraphView
from cellray.observe.window import Window
from cellray.observe.written import STATUS_TIMEOUT_S, last_sequence, wait_until_written

READ_TIMEOUT_S = 5.0
TIMELINE_TIMEOUT_S = 60.0
SETTLE_S = 0.5

_lock = threading.Lock()
_follower: LogFollower | None = None
_followed: str | None = None


def follower() -> LogFollower:
    """The follower of this process's session; starts nothing before somebody listens.

    A new session gets a new one; the old one is closed. Raises SessionError when there is no session.
    """
    global _follower, _followed
    session = api_session.current_session()
    if session is None:
        raise SessionError("no Cellray session: call cellray.init(), or run a %%remote cell, first")
    with _lock:
        if _follower is None or _followed != session.session_id:
            if _follower is not None:
                _follower.close()
            reader = read_session(session.gcs_url, SessionId(session.session_id))
            _follower, _followed = LogFollower(reader), session.session_id
            if _settle not in current.before_end:
                current.before_end.append(_settle)
        return _follower


def close_follower() -> None:
    """Stop following; what the fold holds stays readable."""
    global _follower, _followed
    with _lock:
        known, _follower, _followed = _follower, None, None
    if known is not None:
        known.close()


def graph_source(wanted: GraphFilter | None = None) -> GraphView:
    """What `%graph` shows: the session's task graph as it grows, or the part of it that `wanted` selects."""
    return GraphView(follower(), wanted or GraphFilter())


def lineage_source(subject: Any, timeout_s: float = READ_TIMEOUT_S) -> GraphView:
    """What `%lineage ref` shows: the ancestors of an object, a task or an actor. See `live_fold` for errors."""
    with live_fold(subject, timeout_s) as (_fold, key):
        pass
    return graph_source(GraphFilter(ancestors_of=key))  # not under the fold's lock: who opens a session takes it last


@contextmanager
def live_fold(
    subject: Any, timeout_s: float = READ_TIMEOUT_S, is_known: Callable[[LogFold, NodeKey], bool] = knows
) -> Iterator[tuple[LogFold, NodeKey]]:
    """This session's fold, locked, and the id of what is asked about, of which `is_known` says that it is there; all
    that the node has told until now is in it.

    Raises SessionError when there is no session, or when the log does not know the subject within `timeout_s`; and
    what `asked_key` raises.
    """
    followed, last = follower(), last_sequence()
    followed.wait_for(lambda _fold: followed.sequence >= last, timeout_s)
    with followed.lock:
        key = asked_key(subject, followed.fold)
    if not followed.wait_for(lambda fold: is_known(fold, key), timeout_s):
        raise SessionError(
            f"the event log has nothing about {subject!r} (looked for {timeout_s:g} s). It belongs to another session, "
            "or its history was folded away; make it again and ask once more."
        )
    with followed.lock:
        yield followed.fold, key


def catch_up(timeout_s: float, *, at_rest: bool = False) -> bool:
    """Wait until the views know of everything that this process submitted; with `at_rest` until all of it has ended."""
    engine, followed = current.engine_or_none(), follower()
    last = engine.last_submitted if engine is not None else None

    def caught_up(fold: LogFold) -> bool:
        if last is not None and last not in fold.tasks:
            return False
        return bool(fold.jobs) and not (at_rest and fold.totals().keys() - ENDED_NAMES)

    return followed.wait_for(caught_up, timeout_s)


def _settle() -> None:
    """The session is about to end: views are to show what came of its tasks, and not that they run for ever. Who only
    asked questions needs no follower any more."""
    if _follower is not None and _follower.has_listeners:
        catch_up(SETTLE_S, at_rest=True)
        _follower.wait_told(SETTLE_S)
    else:
        close_follower()


def session_timeline(window: Window, timeout_s: float = TIMELINE_TIMEOUT_S) -> list[dict[str, Any]]:
    """What this session has run so far, as `observe.timeline` explains. It reads the whole log, however long.

    Raises SessionError when there is no session, or the log does not come within `timeout_s`.
    """
    session = api_session.current_session()
    if session is None:
        raise SessionError("no Cellray session: the timeline is that of this process's session; call cellray.init()")
    reader = read_session(session.gcs_url, SessionId(session.session_id))
    try:
        wait_until_written(reader, timeout_s)
        return trace_of(LogHistory(reader), window)
    finally:
        reader.close()


def session_status() -> dict[str, Any] | None:
    """The latest running session of this user for tools outside of it; None when there is none that answers.

    Blocks for up to two seconds. Times are seconds since the epoch.
    """
    try:
        folder = find_session()
        with ControlClient(folder.control_socket, folder.read_token()) as control:
            status = control.status(STATUS_TIMEOUT_S)
    except (SessionError, OSError):
        return None
    return {
        "session_id": status.session_id,
        "started_at": status.started_at,
        "nodes": 1,
        "workers": len(status.workers),
        "tasks": status.tasks,
        "gcs": status.gcs_url,
    }
