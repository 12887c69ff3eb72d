"""Tasks: what many share (the template), what is one's own (the spec), and the states a task passes through."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from cellray.ids import FunctionHash, ObjectId, TemplateId, template_id
from cellray.model.actor import ActorOptions
from cellray.model.object import ObjectValue
from cellray.model.placement import GroupOptions, Placement

RESOURCE_UNITS = 10_000
"""Resources are whole numbers of ten-thousandths, so that fractions add up exactly (Ray does the same)."""

Resources = tuple[tuple[str, int], ...]
"""Sorted (name, ten-thousandths) pairs, zero amounts left out: `(("CPU", 10000),)` is one CPU."""


class TaskState(IntEnum):
    """Where a task is in the node's core; `core/transitions.py` holds the legal moves."""

    WAITING = 0
    """For arguments that do not exist yet."""
    READY = 1
    """Queued at the node, for resources and a worker."""
    ASSIGNED = 2
    """Sent to a worker: running there, or prefetched behind the running one."""
    FINISHED = 3
    FAILED = 4
    CANCELLED = 5


class Cell(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The notebook cell that submitted a task. `execution_count` is the number shown as In [n]; `line` from 1."""

    kernel_id: str
    cell_id: str
    execution_count: int
    line: int = 0


class Function(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An entry of the function table. `pickled` rebuilds the callable; `source` is for people, may be empty."""

    function_hash: FunctionHash
    name: str
    module: str
    source: str
    pickled: bytes
    cell: Cell | None = None


class StreamOptions(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Tasks of this template are generators: each item is an object as soon as it is yielded.

    The task waits while `unread_max` items have been yielded and not been taken by its caller; -1: it never waits. Its
    one return says that it has ended.
    """

    unread_max: int = -1


class TaskTemplate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is equal for many tasks, registered once; its id is the hash of its content (`make_template`).

    With `actor` its tasks create actors and the function is a class; with `method` they are calls of that method, see
    `model.actor`. With `group` they create placement groups and have no function. `environment` is what a worker must
    have set up before it loads the function (`model.environment`); `placement` is None for most. `retry_only` pickles
    the exception classes that `retry_exceptions` is limited to; it is empty when it is not. A worker that has run the
    function `max_calls` times ends (0: no limit). `recorded`: calls that may change an actor which recovers its state,
    so that they run again when its process has died.
    """

    template_id: TemplateId
    function_hash: FunctionHash
    name: str
    resources: Resources
    num_returns: int = 1
    max_retries: int = 3
    retry_exceptions: bool = False
    cell: Cell | None = None
    actor: ActorOptions | None = None
    method: str = ""
    environment: str = ""
    placement: Placement | None = None
    group: GroupOptions | None = None
    concurrency_group: str = ""
    retry_only: bytes = b""
    stream: StreamOptions | None = None
    max_calls: int = 0
    recorded: bool = False


class TaskSpec(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One task as submitted. Its id is `child_task_id(children_prefix(parent), index)`.

    `args` is the serialised (args, kwargs) with top-level references replaced by their position in `dependencies`;
    `contained` are references nested deeper, which are kept alive but not waited for (Ray's rule).
    """

    index: int
    template_id: TemplateId
    args: bytes = b""
    dependencies: tuple[ObjectId, ...] = ()
    contained: tuple[ObjectId, ...] = ()


class TaskAssignment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One task as a worker gets it, its dependencies resolved to values in the order of the spec."""

    task_id: bytes
    template_id: TemplateId
    args: bytes
    values: tuple[ObjectValue, ...] = ()
    dependencies: tuple[ObjectId, ...] = ()
    attempt: int = 0


def make_template(
    function_hash: FunctionHash,
    name: str,
    resources: Resources,
    *,
    num_returns: int = 1,
    max_retries: int = 3,
    retry_exceptions: bool = False,
    cell: Cell | None = None,
    actor: ActorOptions | None = None,
    method: str = "",
    environment: str = "",
    placement: Placement | None = None,
    group: GroupOptions | None = None,
    concurrency_group: str = "",
    retry_only: bytes = b"",
    stream: StreamOptions | None = None,
    max_calls: int = 0,
    recorded: bool = False,
) -> TaskTemplate:
    """A template whose id is the hash of everything else in it."""
    blank = TaskTemplate(
        TemplateId(0),
        function_hash,
        name,
        resources,
        num_returns=num_returns,
        max_retries=max_retries,
        retry_exceptions=retry_exceptions,
        cell=cell,
        actor=actor,
        method=method,
        environment=environment,
        placement=placement,
        group=group,
        concurrency_group=concurrency_group,
        retry_only=retry_only,
        stream=stream,
        max_calls=max_calls,
        recorded=recorded,
    )
    return msgspec.structs.replace(blank, template_id=template_id(msgspec.msgpack.encode(blank)))


def make_resources(amounts: dict[str, float]) -> Resources:
    """Exact resources from user numbers: `{"CPU": 0.5}` -> `(("CPU", 5000),)`.

    Raises ValueError for a negative amount or one finer than 1/10000.
    """
    pairs = []
    for name, amount in sorted(amounts.items()):
        units = round(amount * RESOURCE_UNITS)
        if amount < 0 or abs(units - amount * RESOURCE_UNITS) > 1e-6:
            raise ValueError(f"{name}={amount}: a resource is at least 0 and a multiple of 1/{RESOURCE_UNITS}")
        if units:
            pairs.append((name, units))
    return tuple(pairs)
