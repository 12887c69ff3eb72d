"""get, put, wait, cancel: the verbs on references, with Ray's checks and our reasons."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NoReturn, TypeVar

from cellray.api import current
from cellray.api.object_ref import ObjectRef
from cellray.api.object_ref_generator import ObjectRefGenerator
from cellray.api.session import started_engine
from cellray.ids import ObjectId, TaskId, is_put
from cellray.ports import Engine, Resolved

W = TypeVar("W", bound=ObjectRef | ObjectRefGenerator)
# Lists of references are long: what is asked of each is asked without a step of Python for each.
ONLY_REFS = {ObjectRef}
ID = attrgetter("_id")
OWNER = attrgetter("_engine")


def get(object_refs: ObjectRef | ObjectRefGenerator | Sequence[ObjectRef], *, timeout: float | None = None) -> Any:
    """The value of a reference, or the list of values of a list; blocks until they exist.

    `timeout` in seconds (None: without end, 0: only look). Arrays are read-only views of shared memory. Raises what
    the task raised (also an instance of TaskError), GetTimeoutError, WorkerCrashedError, TaskCancelledError,
    ObjectLostError; ValueError or TypeError when given something that is no reference.
    """
    if type(object_refs) is ObjectRef:
        engine = current.engine
        if engine is None or object_refs._engine is not engine:
            engine = _engine_of((object_refs,))
        if timeout is None:
            return engine.get_one(object_refs._id)
        _check_timeout(timeout)
        return engine.get((object_refs._id,), timeout)[0]
    _check_timeout(timeout)
    if isinstance(object_refs, ObjectRefGenerator):
        return object_refs  # Ray's rule: it is read, not got
    if not isinstance(object_refs, list):
        raise ValueError(
            f"Invalid type of object refs, {type(object_refs)}, is given. 'object_refs' must either be an ObjectRef or "
            "a list of ObjectRefs."
        )
    if not object_refs:
        return []
    if set(map(type, object_refs)) != ONLY_REFS:
        _refuse_value(object_refs)
    return _engine_of(object_refs).get(list(map(ID, object_refs)), timeout)


def _refuse_value(values: list[Any]) -> None:
    for value in values:
        if not isinstance(value, ObjectRef):
            raise TypeError(
                f"Attempting to call `get` on the value {_shown(value)}, which is not a cellray.ObjectRef. "
                "`get` takes what `.remote()` and `put` return."
            )


def put(value: Any) -> ObjectRef:
    """Store a value and return a reference to it; large ones lie in shared memory.

    Raises SerializationError when it cannot be pickled and ObjectStoreFullError when there is no room.
    """
    if isinstance(value, ObjectRef):
        raise TypeError(
            "Calling 'put' on a cellray.ObjectRef is not allowed: it is in the store already. To pass a reference on "
            "as a reference, put it into a list."
        )
    engine = current.engine or started_engine()
    return ObjectRef(engine.put(value), engine)


def wait(
    object_refs: list[W],
    *,
    num_returns: int = 1,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> tuple[list[W], list[W]]:
    """As soon as `num_returns` are ready or `timeout` seconds have passed: the ready ones and the rest.

    At most `num_returns` are given as ready; both lists are in the order given. A generator is ready when `next` would
    not wait: there is an item, or there will be no more.

    Raises TypeError for anything but a list of references, ValueError for duplicates or an impossible `num_returns`.
    """
    del fetch_local  # objects of one node are always local
    if timeout is not None:
        _check_timeout(timeout)
    engine = current.engine
    start = _start_in(object_refs, engine)
    if start < 0:
        _check_refs(object_refs)
        if not object_refs:
            return [], []
        engine = _engine_of(object_refs)
        start = 0
    assert engine is not None, "references are of a session"
    if not 0 < num_returns <= len(object_refs):
        _refuse_count(num_returns, len(object_refs))
    arrivals = engine.resolved.arrivals
    ready, rest, start = _split(object_refs, num_returns, engine.resolved, start)
    if len(ready) < num_returns:
        engine.wait(list(map(ID, rest)), num_returns - len(ready), timeout)
        arrivals = engine.resolved.arrivals
        ready, rest, start = _split(object_refs, num_returns, engine.resolved, 0)
    if rest:
        global _rest
        _rest = (engine, len(rest), rest[0]._id, rest[-1]._id, start, arrivals)
    return ready, rest


_rest: tuple[Engine, int, ObjectId, ObjectId, int, int] | None = None
"""By what the list is known again that `wait` returned last as not ready: whose it is, its length and its ends.

Then how many at its beginning were not ready, and what `Resolved.arrivals` was."""


def _start_in(refs: Any, engine: Engine | None) -> int:
    """From where on there may be something ready, if this is the rest of the `wait` before; else -1.

    Its length and its ends tell. Such a list has been checked: a loop that waits for one reference after another would
    else spend most of its time on looking at all of them each time. What was put into its middle meanwhile is looked at
    when its turn comes.
    """
    if type(refs) is not list or _rest is None or not refs:
        return -1
    owner, length, first_id, last_id, start, arrivals = _rest
    first, last = refs[0], refs[-1]
    if (
        len(refs) != length
        or engine is not owner
        or type(first) is not ObjectRef
        or type(last) is not ObjectRef
        or first._id != first_id
        or last._id != last_id
    ):
        return -1
    return start if arrivals == owner.resolved.arrivals else 0


def _split(refs: list[W], count: int, resolved: Resolved, start: int) -> tuple[list[W], list[W], int]:
    """The first `count` of those that are there, all others, and how many at the beginning of these are not there.

    Those before `start` are looked at only when none behind it is there.
    """
    if count == 1:
        for place in range(start, len(refs)):
            if refs[place]._id in resolved:
                rest = refs.copy()  # one pass through all of them; slices before and after it would be two
                del rest[place]
                return [refs[place]], rest, place
        return _split(refs, count, resolved, 0) if start else ([], refs.copy(), 0)
    ready: list[W] = []
    kept: list[W] = []
    for place, ref in enumerate(refs):
        if ref._id in resolved:
            ready.append(ref)
            if len(ready) == count:
                return ready, kept + refs[place + 1 :], len(kept)
        else:
            kept.append(ref)
    return ready, kept, 0


def _check_refs(refs: Any) -> None:
    """Raise unless this is a list of references, each there once."""
    if isinstance(refs, ObjectRef | ObjectRefGenerator):
        raise TypeError(f"wait() expected a list of cellray.ObjectRef, got a single {type(refs).__name__}")
    if not isinstance(refs, list):
        raise TypeError(f"wait() expected a list of cellray.ObjectRef, got {type(refs)}")
    for ref in refs:
        if not isinstance(ref, ObjectRef | ObjectRefGenerator):
            raise TypeError(f"wait() expected a list of cellray.ObjectRef, got a list with {_shown(ref)}")
    if len(set(refs)) != len(refs):
        raise ValueError("Wait requires a list of unique object refs.")


def _refuse_count(num_returns: int, given: int) -> NoReturn:
    if num_returns <= 0:
        raise ValueError(f"Invalid number of objects to return {num_returns}.")
    raise ValueError(
        f"num_returns cannot be greater than the number of objects provided to wait() ({num_returns} > {given})."
    )


def cancel(object_ref: ObjectRef | ObjectRefGenerator, *, force: bool = False, recursive: bool = True) -> None:
    """Cancel the task that produces the object; its references raise TaskCancelledError then.

    A queued task is dropped; KeyboardInterrupt is raised in a running one, or its process killed with `force`. With
    `recursive` the tasks it submitted are cancelled too. A task that has finished is left as it is.

    Of calls of actors, a coroutine gets `asyncio.CancelledError`, and one in a thread of a threaded actor is told when
    it asks `get_runtime_context().is_canceled()`; none is cancelled by force, which raises ValueError.
    """
    if isinstance(object_ref, ObjectRefGenerator):
        object_ref = object_ref.completed()
    if not isinstance(object_ref, ObjectRef):
        raise TypeError(f"cancel() only supports object refs, got: {type(object_ref)}.")
    if is_put(object_ref._id):
        raise ValueError("cancel() is for results of tasks; this object was stored with put()")
    engine, task = _engine_of((object_ref,)), TaskId(object_ref.task_id())
    if force and engine.is_call(task):
        raise ValueError(
            "force=True is not supported for actor tasks: its actor would lose its state. Use force=False, or "
            "cellray.kill(actor) to end the actor."
        )
    engine.cancel(task, force=force, recursive=recursive)


def _engine_of(refs: Sequence[ObjectRef | ObjectRefGenerator]) -> Engine:
    """The engine of this process, which must be the one that all the references belong to."""
    engine = started_engine()
    if set(map(OWNER, refs)) != {engine}:
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
