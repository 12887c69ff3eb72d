"""Ids: deterministic byte strings, so that a re-executed task re-creates the very same children and objects.

A task's id is its parent's 12-byte prefix (a hash, computed once per parent) and a 4-byte index among the parent's
submissions. An object's id is its task's id and a 4-byte return index; `put` objects use the upper half of the
index range. See design.md, part 4; the idea is the paper's (section 4.2.3: lineage needs stable names).
"""

from __future__ import annotations

import hashlib
from typing import NewType

JobId = NewType("JobId", bytes)
TaskId = NewType("TaskId", bytes)
ObjectId = NewType("ObjectId", bytes)
ActorId = NewType("ActorId", TaskId)
"""The id of the task that created the actor."""
GroupId = NewType("GroupId", TaskId)
"""A placement group: the id of the task that created it."""
FunctionHash = NewType("FunctionHash", bytes)
TemplateId = NewType("TemplateId", int)
NodeId = NewType("NodeId", str)
SessionId = NewType("SessionId", str)
ClientId = NewType("ClientId", int)
"""A connection to one node: a driver or a worker. Unique within the node's life, never reused."""
NODE = ClientId(0)
"""The node itself, where clients say something or own something."""

PREFIX_BYTES = 12
TASK_ID_BYTES = 16
OBJECT_ID_BYTES = 20
FUNCTION_HASH_BYTES = 16
PUT_INDEX_BASE = 0x8000_0000
RETURN_0 = bytes(OBJECT_ID_BYTES - TASK_ID_BYTES)
"""What a task's id is extended by to get the id of its first return."""


def root_task_id(job: JobId) -> TaskId:
    """The id of the driver itself, the parent of everything that a job submits."""
    return TaskId(hashlib.blake2b(job, digest_size=TASK_ID_BYTES, person=b"cellray-job").digest())


def children_prefix(parent: TaskId) -> bytes:
    """The 12 bytes with which the ids of all children of `parent` begin."""
    return hashlib.blake2b(parent, digest_size=PREFIX_BYTES, person=b"cellray-task").digest()


def child_task_id(prefix: bytes, index: int) -> TaskId:
    """The id of the `index`-th task (from 0) submitted by the parent whose `children_prefix` is given."""
    return TaskId(prefix + index.to_bytes(4, "big"))


def short_task_id(task: TaskId) -> str:
    """A task's id for people: `5f2a9c1e-17` is the 17th (from 0) of its parent. The first bytes alone would be the
    same for all children of one parent."""
    return f"{task[:4].hex()}-{int.from_bytes(task[PREFIX_BYTES:], 'big')}"


def return_object_id(task: TaskId, return_index: int) -> ObjectId:
    """The id of the object that `task` returns at `return_index` (from 0)."""
    return ObjectId(task + return_index.to_bytes(4, "big"))


def return_object_ids(task: TaskId, count: int) -> list[ObjectId]:
    """The ids of everything that `task` returns; the usual single one at a fraction of the cost."""
    if count == 1:
        return [task + RETURN_0]  # type: ignore[list-item]
    return [return_object_id(task, i) for i in range(count)]


def item_object_id(task: TaskId, index: int) -> ObjectId:
    """The id of the `index`-th item (from 0) that a generator yields; its one return comes before them."""
    return ObjectId(task + (index + 1).to_bytes(4, "big"))


def put_object_id(task: TaskId, put_index: int) -> ObjectId:
    """The id of the `put_index`-th object (from 0) that `task`, or a driver's root task, stores with `put`."""
    return ObjectId(task + (PUT_INDEX_BASE + put_index).to_bytes(4, "big"))


def actor_object_id(actor: ActorId) -> ObjectId:
    """The object that the actor's handles hold: what its creation returns."""
    return return_object_id(actor, 0)


def producer_of(obj: ObjectId) -> TaskId:
    """The task that returned the object, or that called `put`."""
    return TaskId(obj[:TASK_ID_BYTES])


def return_index_of(obj: ObjectId) -> int:
    """The return index of a returned object; for a `put` object its index plus `PUT_INDEX_BASE`."""
    return int.from_bytes(obj[TASK_ID_BYTES:], "big")


def is_put(obj: ObjectId) -> bool:
    """Whether the object was stored with `put` rather than returned by a task."""
    return obj[TASK_ID_BYTES] >= 0x80


def task_seed(task: TaskId) -> int:
    """A number for random generators, of 64 bits: the same whenever the task runs, another one for each task."""
    return int.from_bytes(hashlib.blake2b(task, digest_size=8, person=b"cellray-seed").digest(), "big")


def function_hash(content: bytes) -> FunctionHash:
    """Content address of a pickled function: code, closure and captured globals, not source text alone."""
    return FunctionHash(hashlib.blake2b(content, digest_size=FUNCTION_HASH_BYTES, person=b"cellray-fn").digest())


def template_id(encoded: bytes) -> TemplateId:
    """Content address of an encoded task template: a positive 63-bit integer, so equal templates are one."""
    digest = hashlib.blake2b(encoded, digest_size=8, person=b"cellray-tmpl").digest()
    return TemplateId(int.from_bytes(digest, "big") >> 1)
