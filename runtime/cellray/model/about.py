"""What a fact is about and when it happened, read from the names of its fields: so that facts which are new to the log
are found, and stand in its files, without being told of here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from typing import Any

import msgspec

from cellray.ids import TASK_ID_BYTES, ObjectId, TaskId, child_task_id, children_prefix, producer_of
from cellray.model.fact import Fact, TasksSubmitted

PUT_MARK = b"\x80"
"""From here on a return index's first byte is that of a put object, see `ids.PUT_INDEX_BASE`."""
TIME_FIELDS = ("at", "finished_at")
PARENTS_MAX = 4096

prefix_of = lru_cache(PARENTS_MAX)(children_prefix)
"""`children_prefix`, remembered: the children of a parent come one after another."""


def time_field_of(kind: type[msgspec.Struct]) -> str:
    """The field with the time; empty for a kind of fact without one."""
    return _shape(kind).time_field


def time_of(fact: Fact) -> float:
    """When it happened; 0 for a fact without a time."""
    name = _shape(type(fact)).time_field
    return float(getattr(fact, name)) if name else 0.0


def subjects_of(fact: Fact) -> Iterable[bytes]:
    """The ids of tasks, and of objects stored with `put`, that a fact is about.

    An actor or a placement group is the task that made it, an object the task that returns it.
    """
    if type(fact) is TasksSubmitted:
        prefix = prefix_of(fact.parent_id)
        return [child_task_id(prefix, spec.index) for spec in fact.tasks]
    return [subject for read in _shape(type(fact)).readers for subject in read(fact) if subject]


def subject_of_object(object_id: ObjectId) -> bytes:
    """The task that returns the object; the object itself when it was stored with `put`."""
    return object_id if object_id[TASK_ID_BYTES : TASK_ID_BYTES + 1] >= PUT_MARK else producer_of(object_id)


def narrowed(fact: TasksSubmitted, task_id: TaskId) -> TasksSubmitted:
    """A submission with only this task in it."""
    index = int.from_bytes(task_id[-4:], "big")
    return msgspec.structs.replace(fact, tasks=[spec for spec in fact.tasks if spec.index == index])


class _Shape(msgspec.Struct, frozen=True):
    time_field: str
    readers: Sequence[Callable[[Any], Iterable[bytes]]]


_READERS: dict[str, Callable[[Any], Iterable[bytes]]] = {
    "task_id": lambda fact: (fact.task_id,),
    "actor_id": lambda fact: (fact.actor_id,),
    "group_id": lambda fact: (fact.group_id,),
    "object_id": lambda fact: (subject_of_object(fact.object_id),),
    "task_ids": lambda fact: fact.task_ids,
    "object_ids": lambda fact: map(subject_of_object, fact.object_ids),
}


@cache
def _shape(kind: type[msgspec.Struct]) -> _Shape:
    names = [field.name for field in msgspec.structs.fields(kind)]
    times = [name for name in TIME_FIELDS if name in names]
    readers = [read for name, read in _READERS.items() if name in names]
    return _Shape(times[0] if times else "", readers)
