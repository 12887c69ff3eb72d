"""The views of this process's session: one follower of its log, shared by everything that looks at it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from cellray.api import current
from cellray.api import session as api_session
from cellray.errors import SessionError
from cellray.ids import ObjectId, SessionId, producer_of
from cellray.launch import find_session
from cellray.node.control_client import ControlClient
from cellray.node.open_archive import read_session
from cellray.node.settings import SessionFolder
from cellray.observe.fold import LogFold
from cellray.observe.follow import LogFollower
from cellray.observe.ledger import FoldLimits
from cellray.observe.lineage import Lineage
from cellray.observe.scope import GraphFilter
from cellray.observe.timeline import trace_events
from cellray.observe.view import GraphView

if TYPE_CHECKING:
    from cellray.api.object_ref import ObjectRef

READ_TIMEOUT_S = 5.0
STATUS_TIMEOUT_S = 2.0
TIMELINE_TIMEOUT_S = 60.0
SETTLE_S = 0.5
NO_LIMIT = 1 << 60
LIVE = frozenset({"waiting", "ready", "fetching", "running"})

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


def lineage_source(ref: ObjectRef, timeout_s: float = READ_TIMEOUT_S) -> GraphView:
    """What `%lineage ref` shows: the object's ancestors. See `lineage` for errors."""
    _wait_until_logged(ref, timeout_s)
    return graph_source(GraphFilter(ancestors_of=ObjectId(ref.binary())))


def lineage(ref: ObjectRef, timeout_s: float = READ_TIMEOUT_S) -> Lineage:
    """The session's graph as of now, with the producer of `ref` in it.

    Raises SessionError when the log does not know the object within `timeout_s`.
    """
    _wait_until_logged(ref, timeout_s)
    followed = follower()
    with followed.lock:
        return Lineage(followed.fold)


def catch_up(timeout_s: float, *, at_rest: bool = False) -> bool:
    """Wait until the views know of everything that this process submitted; with `at_rest` until all of it has ended."""
    engine, followed = current.engine_or_none(), follower()
    last = engine.last_submitted if engine is not None else None

    def caught_up(fold: LogFold) -> bool:
        if last is not None and last not in fold.tasks:
            return False
        return bool(fold.jobs) and not (at_rest and LIVE & fold.totals().keys())

    return followed.wait_for(caught_up, timeout_s)


def _settle() -> None:
    """The session is about to end: views are to show what came of its tasks, and not that they run for ever."""
    if _follower is not None and _follower.has_listeners:
        catch_up(SETTLE_S, at_rest=True)
        _follower.wait_told(SETTLE_S)


def _wait_until_logged(ref: ObjectRef, timeout_s: float) -> None:
    task_id, object_id = producer_of(ObjectId(ref.binary())), ObjectId(ref.binary())
    followed = follower()
    if not followed.wait_for(lambda fold: task_id in fold.tasks or object_id in fold.objects, timeout_s):
        raise SessionError(
            f"the event log has nothing about {ref!r} (looked for {timeout_s:g} s). It belongs to another session, or "
            "its history was folded away; make it again and ask once more."
        )


def session_timeline(timeout_s: float = TIMELINE_TIMEOUT_S) -> list[dict[str, Any]]:
    """What this session has run so far, as `observe.timeline` explains. It reads the whole log, however long.

    Raises SessionError when there is no session, or the log does not come within `timeout_s`.
    """
    session = api_session.current_session()
    if session is None:
        raise SessionError("no Cellray session: the timeline is that of this process's session; call cellray.init()")
    folder = SessionFolder(session.address)
    with ControlClient(folder.control_socket, folder.read_token()) as control:
        last_sequence = control.status(STATUS_TIMEOUT_S).log_sequence
    reader = read_session(session.gcs_url, SessionId(session.session_id))
    whole = LogFollower(reader, LogFold(FoldLimits(tasks_max=NO_LIMIT, puts_max=0, workers_max=NO_LIMIT)))
    try:
        if not whole.wait_for(lambda _fold: whole.sequence >= last_sequence, timeout_s):
            raise SessionError(f"the event log could not be read within {timeout_s:g} s")
        with whole.lock:
            return trace_events(whole.fold)
    finally:
        whole.close()


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
