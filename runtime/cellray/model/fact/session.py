"""Facts about the session, its nodes and the jobs of its drivers."""

from __future__ import annotations

import msgspec

from cellray.ids import ClientId, JobId, NodeId, SessionId, TaskId
from cellray.model.task import Resources

LOG_SCHEMA_VERSION = 2
"""Raised whenever there are new kinds of facts or fields: an older version cannot read such a log, and says so.

1: tasks, actors, objects, output. 2: checkpoints, recovery, spans, hashes of outputs, what the log itself gave up.
"""


class SessionStarted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """First fact of a log."""

    session_id: SessionId
    at: float
    schema: int = LOG_SCHEMA_VERSION


class SessionEnded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """Last fact of a log that was closed properly."""

    at: float
    reason: str


class NodeJoined(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """A node with its total resources."""

    node_id: NodeId
    at: float
    pid: int
    resources: Resources
    object_store_bytes: int


class JobStarted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """A driver connected."""

    client_id: ClientId
    job_id: JobId
    root_task_id: TaskId
    at: float
    pid: int
    entrypoint: str
    namespace: str = ""


class JobEnded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """A driver disconnected; its unfinished tasks are cancelled."""

    client_id: ClientId
    job_id: JobId
    at: float
    reason: str
