"""Under which keys a record of the log is found again: the index behind `ports.LogReader.find`.

A record is found by what its facts tell of. Tasks have keys not one by one but 256 neighbours of one parent together,
which are submitted, sent and ended together too: so a record of a hundred tasks has one key or two, and to find a task
is to read the few records of its neighbours.

| kind of key | bytes | what shares it                                        |
|-------------|-------|-------------------------------------------------------|
| template    | 8     | one template                                          |
| task        | 15    | 256 tasks of one parent, actors and what they return  |
| function    | 16    | one function                                          |
| put         | 19    | 256 objects that one task stored with `put`           |
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

from cellray.ids import FUNCTION_HASH_BYTES, OBJECT_ID_BYTES, TASK_ID_BYTES, FunctionHash, TemplateId
from cellray.model.about import PUT_MARK, prefix_of, subjects_of
from cellray.model.fact import (
    Fact,
    FunctionRegistered,
    ObjectsFreed,
    TaskFinished,
    TasksDispatched,
    TasksSubmitted,
    TemplateRegistered,
)

TASK_KEY_BYTES = TASK_ID_BYTES - 1
SUBJECT_BYTES = (TASK_ID_BYTES, OBJECT_ID_BYTES)
_head = itemgetter(slice(TASK_KEY_BYTES))
_return_index_head = itemgetter(slice(TASK_ID_BYTES, TASK_ID_BYTES + 1))


def subject_key(subject: bytes) -> bytes:
    """For a task, or an object stored with `put`: one of `model.about.subjects_of`."""
    return subject[:-1]


def template_key(template: TemplateId) -> bytes:
    """For a template."""
    return template.to_bytes(8, "big")


def function_key(function_hash: FunctionHash) -> bytes:
    """For a function."""
    return function_hash[:FUNCTION_HASH_BYTES]


def index_keys(facts: Iterable[Fact]) -> set[bytes]:
    """The keys of a record with these facts. On the hot path: what there is most of comes first."""
    keys: set[bytes] = set()
    for fact in facts:
        kind = type(fact)
        if kind is TaskFinished:
            keys.add(fact.task_id[:TASK_KEY_BYTES])  # type: ignore[union-attr]
        elif kind is TasksDispatched:
            keys.update(map(_head, fact.task_ids))  # type: ignore[union-attr]
        elif kind is TasksSubmitted:
            prefix = prefix_of(fact.parent_id)  # type: ignore[union-attr]
            blocks = {spec.index >> 8 for spec in fact.tasks}  # type: ignore[union-attr]
            keys.update([prefix + (block & 0xFFFFFF).to_bytes(3, "big") for block in blocks])
        elif kind is ObjectsFreed and max(map(_return_index_head, fact.object_ids), default=b"") < PUT_MARK:  # type: ignore[union-attr]
            keys.update(map(_head, fact.object_ids))  # type: ignore[union-attr]
        elif kind is TemplateRegistered:
            keys.add(template_key(fact.template.template_id))  # type: ignore[union-attr]
        elif kind is FunctionRegistered:
            keys.add(function_key(fact.function.function_hash))  # type: ignore[union-attr]
        else:
            # What a client makes up for an id has any length.
            keys.update([subject_key(subject) for subject in subjects_of(fact) if len(subject) in SUBJECT_BYTES])
    return keys
