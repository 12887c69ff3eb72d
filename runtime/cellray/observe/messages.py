"""What a live view is told: graph snapshots and deltas, the one schema that Python sends and TypeScript reads.

Times are seconds since the epoch, durations seconds, sizes bytes, ids lower-case hexadecimal strings. A view keeps
`sequence`; when the next delta is not `sequence + 1` it asks for a snapshot (a delta with `reset` set).
"""

from __future__ import annotations

from typing import Literal

import msgspec

VIEW_SCHEMA_VERSION = 1

TaskStateName = Literal["waiting", "ready", "fetching", "running", "finished", "failed", "retried", "cancelled", "lost"]
ObjectStateName = Literal["pending", "inline", "shared", "spilled", "freed", "lost"]
EdgeKind = Literal["data", "control", "stateful"]


class CellLabel(msgspec.Struct, frozen=True):
    """The notebook cell that submitted a task; `label` is what is shown, such as `In [5]`."""

    cell_id: str
    label: str
    line: int | None = None


class TaskNode(msgspec.Struct, frozen=True):
    """One task, as a view draws it."""

    id: str
    name: str
    function: str
    state: TaskStateName
    submitted_at: float
    parent: str | None = None
    cell: CellLabel | None = None
    attempt: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    worker: str | None = None
    actor: str | None = None
    error: str | None = None


class ObjectNode(msgspec.Struct, frozen=True):
    """One object; `producer` is the task that returned it, or the task that called `put` when `is_put`."""

    id: str
    state: ObjectStateName
    producer: str | None = None
    return_index: int = 0
    is_put: bool = False
    object_bytes: int | None = None


class Edge(msgspec.Struct, frozen=True):
    """Data: task to object, object to task. Control: parent task to child. Stateful: actor call to the next."""

    kind: EdgeKind
    source: str
    target: str


class TaskGroup(msgspec.Struct, frozen=True):
    """All tasks of one function submitted by one cell, when there are too many to draw one by one."""

    id: str
    function: str
    cell: CellLabel | None
    counts: dict[str, int]
    rate_per_s: float
    duration_p50_s: float | None
    latest: list[TaskNode]
    slowest: list[TaskNode]


class GroupEdge(msgspec.Struct, frozen=True):
    """`count` edges of one kind between the members of two groups."""

    kind: EdgeKind
    source: str
    target: str
    count: int


class GraphDelta(msgspec.Struct, frozen=True):
    """What changed since the delta before. `tasks`, `objects` and `groups` replace those of the same id.

    `mode` says which level of detail is in force: `tasks` (every task is in the view) or `groups`. A change of mode
    comes with `reset`. `dropped` counts what the view could not keep, so that it can say so; `missed_records` are those
    of the log that had been given up, or could not be read, when it came to them.
    """

    sequence: int
    reset: bool
    at: float
    mode: Literal["tasks", "groups"]
    totals: dict[str, int]
    rate_per_s: float = 0.0
    tasks: list[TaskNode] = []
    objects: list[ObjectNode] = []
    edges: list[Edge] = []
    groups: list[TaskGroup] = []
    group_edges: list[GroupEdge] = []
    removed: list[str] = []
    dropped: int = 0
    disconnected_since: float | None = None
    missed_records: int = 0
    schema: int = VIEW_SCHEMA_VERSION
