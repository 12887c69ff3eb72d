"""get, put, wait, cancel: the verbs on references, with Ray's checks and our reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cellray.api.object_ref import ObjectRef
from cellray.api.object_ref_generator import ObjectRefGenerator
from cellray.api.session import started_engine
from cellray.ids import ObjectId, TaskId, is_put
from cellray.ports import Engine

Waitable = ObjectRef | ObjectRefGenerator
"""What can be ready."""


def get(object_refs: ObjectRef | ObjectRefGenerator | Sequence[ObjectRef], *, timeout: float | None = None) -> Any:
    """The value of a reference, or the list of values of a list; blocks until they exist.

    `timeout` in seconds (None: without end, 0: only look). Arrays are read-only views of shared memory. Raises what
    the task raised (also an instance of TaskError), GetTimeoutError, WorkerCrashedError, TaskCancelledError,
    ObjectLostError; ValueError or TypeError when given something that is no reference.
    """
    _check_timeout(timeout)
    if isinstance(object_refs, ObjectRef):
        engine = _engine_of((object_refs,))
        return engine.get([ObjectId(object_refs.binary())], timeout)[0]
    if isinstance(object_refs, ObjectRefGenerator):
        return object_refs  # Ray's rule: it is read, not got
    if not isinstance(object_refs, list):
        raise ValueError(
            f"Invalid type of object refs, {type(object_refs)}, is given. 'object_refs' must either be an ObjectRef or "
            "a list of ObjectRefs."
        )
    for ref in object_refs:
        if not isinstance(ref, ObjectRef):
            raise TypeError(
                f"Attempting to call `get` on the value {_shown(ref)}, which is not a cellray.ObjectRef. "
                "`get` takes what `.remote()` and `put` return."
            )
    if not object_refs:
        return []
    return _engine_of(object_refs).get([ObjectId(ref.binary()) for ref in object_refs], timeout)


def put(value: Any) -> ObjectRef:
    """Store a value and return a reference to it; large ones lie in shared memory.

    Raises SerializationError when it cannot be pickled and ObjectStoreFullError when there is no room.
    """
    if isinstance(value, ObjectRef):
        raise TypeError(
            "Calling 'put' on a cellray.ObjectRef is not allowed: it is in the store already. To pass a reference on "
            "as a reference, put it into a list."
        )
    engine = started_engine()
    return ObjectRef(engine.put(value), engine)


def wait(
    object_refs: list[Waitable],
    *,
    num_returns: int = 1,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> tuple[list[Waitable], list[Waitable]]:
    """As soon as `num_returns` are ready or `timeout` seconds have passed: the ready ones and the rest.

    At most `num_returns` are given as ready; both lists are in the order given. A generator is ready when `next` would
    not wait: there is an item, or there will be no more.

    Raises TypeError for anything but a list of references, ValueError for duplicates or an impossible `num_returns`.
    """
    del fetch_local  # objects of one node are always local
    if isinstance(object_refs, ObjectRef | ObjectRefGenerator):
        raise TypeError(f"wait() expected a list of cellray.ObjectRef, got a single {type(object_refs).__name__}")
    if not isinstance(object_refs, list):
        raise TypeError(f"wait() expected a list of cellray.ObjectRef, got {type(object_refs)}")
    _check_timeout(timeout)
    for ref in object_refs:
        if not isinstance(ref, ObjectRef | ObjectRefGenerator):
            raise TypeError(f"wait() expected a list of cellray.ObjectRef, got a list with {_shown(ref)}")
    if not object_refs:
        return [], []
    engine = _engine_of(object_refs)
    by_id = {_awaited_id(ref): ref for ref in object_refs}
    if len(by_id) != len(object_refs):
        raise ValueError("Wait requires a list of unique object refs.")
    if num_returns <= 0:
        raise ValueError(f"Invalid number of objects to return {num_returns}.")
    if num_returns > len(object_refs):
        raise ValueError(
            f"num_returns cannot be greater than the number of objects provided to wait() ({num_returns} > "
            f"{len(object_refs)})."
        )
    ready, rest = engine.wait(list(by_id), num_returns, timeout)
    return [by_id[obj] for obj in ready], [by_id[obj] for obj in rest]


def cancel(object_ref: ObjectRef | ObjectRefGenerator, *, force: bool = False, recursive: bool = True) -> None:
    """Cancel the task that produces the object; its references raise TaskCancelledError then.

    A queued task is dropped; KeyboardInterrupt is raised in a running one, or its process killed with `force`. With
    `recursive` the tasks it submitted are cancelled too. A task that has finished is left as it is.
    """
    if isinstance(object_ref, ObjectRefGenerator):
        object_ref = object_ref.completed()
    if not isinstance(object_ref, ObjectRef):
        raise TypeError(f"cancel() only supports object refs, got: {type(object_ref)}.")
    if is_put(ObjectId(object_ref.binary())):
        raise ValueError("cancel() is for results of tasks; this object was stored with put()")
    _engine_of((object_ref,)).cancel(TaskId(object_ref.task_id()), force=force, recursive=recursive)


def _awaited_id(ref: Waitable) -> ObjectId:
    return ObjectId(ref.binary()) if isinstance(ref, ObjectRef) else ref.next_id()


def _engine_of(refs: Sequence[Waitable]) -> Engine:
    """The engine of this process, which must be the one that all the references belong to."""
    engine = started_engine()
    for ref in refs:
        if not ref.belongs_to(engine):
            raise ref.lost()
    return engine


def _check_timeout(timeout: float | None) -> None:
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout < 0):
        raise ValueError(f"timeout={timeout!r}: give seconds of at least 0, or None to wait without end")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
