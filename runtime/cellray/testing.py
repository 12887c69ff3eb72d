"""Faults on purpose, for tests and notebooks: see that a program gets over them, and how.

    ref = simulate.remote(seed)
    cellray.wait([ref])
    cellray.testing.drop_object(ref)     # its value is gone, wherever it was
    cellray.get(ref)                     # runs simulate again, and whatever it needs that has gone too

What they do to a program is what a crash, a broken disk or a lost server does: there is no other way inside.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from cellray.api.actor import ActorHandle
from cellray.api.object_ref import ObjectRef
from cellray.api.object_ref_generator import ObjectRefGenerator
from cellray.api.session import started_engine
from cellray.errors import GcsUnavailableError
from cellray.gcs.address import parse_address
from cellray.gcs.clients import make_client
from cellray.gcs.faults import server_faults
from cellray.ids import TaskId, is_put
from cellray.node.settings import SessionFolder

if TYPE_CHECKING:
    from cellray.ports import Engine

__all__ = ["drop_object", "kill_gcs", "kill_worker"]

BACK_S_MAX = 30.0
POLL_PAUSE_S = 0.01


def kill_worker(target: ObjectRef | ObjectRefGenerator | ActorHandle) -> None:
    """SIGKILL to the process that runs this task, or that is this actor. Returns when the node has sent it.

    Raises ValueError when no process has it now: it has not begun, or has ended; TypeError for anything else.
    """
    if isinstance(target, ObjectRefGenerator):
        target = target.completed()
    ref = target._cellray_ref if isinstance(target, ActorHandle) else target
    if not isinstance(ref, ObjectRef):
        raise TypeError(f"kill_worker() takes what .remote() returned, an ObjectRef or an actor, not {type(target)}")
    if is_put(ref._id):
        raise ValueError("kill_worker() is for tasks and actors; this object was stored with put()")
    error = _engine_of(ref).faults.kill_worker(TaskId(ref.task_id()))
    if error:
        raise ValueError(f"there is no worker to kill: {error}")


def drop_object(ref: ObjectRef) -> None:
    """The object's value is lost: in shared memory, on disk, and in every process that had been sent it.

    Who reads it at this moment reads on. Whoever wants to read it next has it made again: its task runs once more, or
    the value is taken from the event log where that has kept it. Raises ValueError when there is nothing to lose: the
    object does not exist yet, its task failed, or it stands for an actor; TypeError for anything else.
    """
    if not isinstance(ref, ObjectRef):
        raise TypeError(f"drop_object() takes an ObjectRef, not {type(ref)}")
    error = _engine_of(ref).faults.lose(ref._id)
    if error:
        raise ValueError(error)


def kill_gcs() -> None:
    """SIGKILL to the session's redis-server. Returns when the one that the node starts in its place answers.

    Raises ValueError when the session uses a server that somebody else runs; GcsUnavailableError when none answers, or
    none is back within 30 s.
    """
    address = parse_address(started_engine().runtime.gcs_url)
    folder = SessionFolder(os.path.dirname(address.path))
    if not address.path or folder.read_settings().gcs_url:
        raise ValueError("this session's GCS is a server that somebody else runs; kill_gcs() is for the session's own")
    client = make_client(address, timeout_s=1.0)
    try:
        before = _info(client)
        if not before:
            raise GcsUnavailableError(f"there is no redis-server to kill: none answers. See {folder.log('node.log')}")
        os.kill(before["process_id"], signal.SIGKILL)
        deadline = time.monotonic() + BACK_S_MAX
        while _info(client).get("run_id", before["run_id"]) == before["run_id"]:
            if time.monotonic() > deadline:
                raise GcsUnavailableError(
                    f"no redis-server has taken the place of the killed one in {BACK_S_MAX:g} s. "
                    f"See {folder.log('node.log')}"
                )
            time.sleep(POLL_PAUSE_S)
    finally:
        client.close()


def _info(client: Any) -> dict[str, Any]:
    """Of the server that answers; empty while none does."""
    try:
        return dict(client.info("server"))
    except server_faults():
        return {}


def _engine_of(ref: ObjectRef) -> Engine:
    engine = started_engine()
    if not ref.belongs_to(engine):
        raise ref.lost()
    return engine
