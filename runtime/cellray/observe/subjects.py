"""What a question is about: a task, an object or an actor, named by reference, handle, id or node of a graph."""

from __future__ import annotations

import re
from typing import Any

from cellray.errors import SessionError
from cellray.ids import OBJECT_ID_BYTES, TASK_ID_BYTES, ObjectId, TaskId, is_put, producer_of, short_task_id
from cellray.observe.fold import LogFold
from cellray.observe.messages import ObjectNode, TaskNode

NodeKey = TaskId | ObjectId
_SHORT = re.compile(r"[0-9a-f]{8}-\d+")
_WANTED = (
    "ask with an ObjectRef, a generator of references, an actor's handle, the id of a task or an object (bytes or "
    "hexadecimal), or a task's short id such as '5f2a9c1e-17'"
)


def key_of(subject: Any, fold: LogFold | None = None) -> NodeKey:
    """The id of what is meant; an actor goes by the task that created it. Short ids need a fold to be looked up in.

    Raises TypeError for what names nothing, ValueError for an id that cannot be one, KeyError for an unknown short id.
    """
    if isinstance(subject, str):
        return _from_text(subject.strip(), fold)
    if isinstance(subject, bytes):
        return _from_bytes(subject)
    if isinstance(subject, TaskNode | ObjectNode):
        return _from_text(subject.id, fold)
    from cellray.api.actor import ActorHandle
    from cellray.api.object_ref import ObjectRef
    from cellray.api.object_ref_generator import ObjectRefGenerator

    if isinstance(subject, ObjectRef):
        return ObjectId(subject.binary())
    if isinstance(subject, ObjectRefGenerator):
        return TaskId(subject.task_id())
    if isinstance(subject, ActorHandle):
        return TaskId(subject._actor_id)
    raise TypeError(f"{type(subject).__name__} names no task or object: {_WANTED}")


def asked_key(subject: Any, fold: LogFold) -> NodeKey:
    """As `key_of`; SessionError for a short id of which the log has nothing."""
    try:
        return key_of(subject, fold)
    except KeyError:
        raise SessionError(
            f"the log has nothing about {subject!r}: give the whole id, or ask the log of the session that it is of"
        ) from None


def task_of(key: NodeKey) -> TaskId:
    """The task, or the one that makes the object."""
    return TaskId(key) if len(key) == TASK_ID_BYTES else producer_of(ObjectId(key))


def knows(fold: LogFold, key: NodeKey) -> bool:
    """Whether a fold has this task or object, or will have it: an object of a task that it has."""
    if len(key) == TASK_ID_BYTES:
        return key in fold.tasks
    return key in fold.objects or (not is_put(ObjectId(key)) and producer_of(ObjectId(key)) in fold.tasks)


def knows_or_has_actor(fold: LogFold, key: NodeKey) -> bool:
    """As `knows`; an actor is there as long as it lives, also when its creation is kept as a count only."""
    return knows(fold, key) or key in fold.actors


def _from_text(text: str, fold: LogFold | None) -> NodeKey:
    if _SHORT.fullmatch(text) and fold is not None:
        for task_id in fold.tasks:
            if short_task_id(task_id) == text:
                return task_id
        raise KeyError(text)
    try:
        return _from_bytes(bytes.fromhex(text))
    except ValueError:
        raise ValueError(f"{text!r} is no id: {_WANTED}") from None


def _from_bytes(key: bytes) -> NodeKey:
    if len(key) == TASK_ID_BYTES:
        return TaskId(key)
    if len(key) == OBJECT_ID_BYTES:
        return ObjectId(key)
    raise ValueError(
        f"an id has {TASK_ID_BYTES} bytes (a task) or {OBJECT_ID_BYTES} (an object), this one {len(key)}: {_WANTED}"
    )
