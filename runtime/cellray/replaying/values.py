"""Values of objects of the past: made again here, from the log, from the store of the session that runs, in that order.

What is in none of them is made by running its producer again, and first what that one needs, as deep as it takes.
"""

from __future__ import annotations

from typing import Any, Protocol

from cellray.core.outcome import has_bytes
from cellray.engines.values import error_of
from cellray.errors import ObjectLostError, ReplayError
from cellray.ids import ObjectId, TaskId, is_put, item_object_id, producer_of, return_object_ids
from cellray.model.history import TaskHistory
from cellray.model.object import ObjectValue
from cellray.ports import Engine
from cellray.replaying.past import Past, name_of
from cellray.serialization import deserialize, serialize


class Maker(Protocol):
    """Who runs tasks again."""

    def remake(self, history: TaskHistory) -> None:
        """Run a task and add what it returns and puts to the values."""


class PastValues:
    """`live` is the engine of the session whose log this is, if that runs and is ours."""

    def __init__(self, past: Past, live: Engine | None) -> None:
        self.maker: Maker
        self._past = past
        self._live = live
        self._made: dict[ObjectId, bytes | BaseException] = {}
        self._lost: set[ObjectId] = set()
        self._remaking: set[TaskId] = set()

    def add(self, obj: ObjectId, value: Any) -> None:
        """An object was made here."""
        self._made[obj] = serialize(value).to_bytes()

    def add_results(self, task_id: TaskId, num_returns: int, result: Any, *, yields: bool) -> None:
        """What a task has given: the items that it yields, and what it returns."""
        if yields:
            for index, item in enumerate(result):
                self.add(item_object_id(task_id, index), item)
            result = None
        results = [result] if num_returns == 1 else list(result if num_returns else ())
        for obj, value in zip(return_object_ids(task_id, num_returns), results, strict=False):
            self.add(obj, value)

    def add_error(self, obj: ObjectId, error: BaseException) -> None:
        """What was to make the object here has raised."""
        self._made[obj] = error

    def is_made(self, obj: ObjectId) -> bool:
        """Whether the object was made here."""
        return obj in self._made

    def load(self, obj: ObjectId) -> Any:
        """The value. Raises what reading it raised then; ReplayError, with the chain of reasons, when it is gone."""
        if obj not in self._made:
            told = self._past.value(obj)
            if told is not None and told.is_error:
                raise error_of(told)
            if told is not None and has_bytes(told):
                return deserialize(told.data)
            found, value = self._from_store(obj)
            if found:
                return value
            self._make(obj)
        made = self._made[obj]
        if isinstance(made, BaseException):
            raise made
        return deserialize(made)

    def stored(self, obj: ObjectId) -> tuple[bool, Any]:
        """Whether the value of then can be had without making it again, and the value; not what was made here."""
        told = self._past.value(obj)
        if told is not None and has_bytes(told):
            return True, deserialize(told.data)
        return self._from_store(obj)

    def _from_store(self, obj: ObjectId) -> tuple[bool, Any]:
        if not self.is_alive(obj):
            return False, None
        live = self._live
        assert live is not None, "there is a store"
        live.retain(obj)
        try:
            return True, live.get_one(obj)
        except ObjectLostError:
            self._lost.add(obj)  # the log is a moment behind
            return False, None
        finally:
            live.release(obj)

    def is_alive(self, obj: ObjectId) -> bool:
        """Whether the session that runs has the object, as far as is known."""
        if self._live is None or self._live.is_lost or obj in self._lost:
            return False
        return not self._past.was_freed(obj)

    def is_at_hand(self, obj: ObjectId) -> bool:
        """Whether the value can be had without running anything."""
        if obj in self._made:
            return True
        told = self._past.value(obj)
        return told is not None and (told.is_error or has_bytes(told) or self.is_alive(obj))

    def _make(self, obj: ObjectId) -> None:
        """Run again what makes the object: a loop and not a recursion, because histories are long."""
        todo = [(obj, False)]
        while todo:
            wanted, is_prepared = todo.pop()
            if self.is_at_hand(wanted):
                continue
            history = self._producer(wanted, [each for each, prepared in todo if prepared])
            if not is_prepared:
                todo.append((wanted, True))
                self._past.fetch([producer_of(each) for each in history.spec.dependencies])
                todo += [(each, False) for each in history.spec.dependencies]
                continue
            self._remake(history, wanted)

    def _remake(self, history: TaskHistory, wanted: ObjectId) -> None:
        if history.task_id in self._remaking:
            raise ReplayError(f"{name_of(history)} cannot be replayed: it needs its own result")
        self._remaking.add(history.task_id)
        try:
            self.maker.remake(history)
        finally:
            self._remaking.discard(history.task_id)
        if wanted not in self._made:
            raise ReplayError(f"{name_of(history)}, run again, did not make object {wanted.hex()}: it went another way")

    def _producer(self, obj: ObjectId, above: list[ObjectId]) -> TaskHistory:
        """The task that makes an object which is not at hand."""
        history = self._past.task(producer_of(obj))
        if history is not None and history.template is not None and history.template.group is None:
            return history
        told = self._past.value(obj)
        reasons = [f"object {obj.hex()}, {self._why_gone(obj, told)}"]
        for each in reversed(above):
            if not is_put(each):
                user = self._past.task(producer_of(each))
                reasons.append(
                    f"which {name_of(user) if user is not None else 'a task'} needs to make {each.hex()} again"
                )
        raise ReplayError("an input is missing: " + ", ".join(reasons) + ".")

    def _why_gone(self, obj: ObjectId, told: ObjectValue | None) -> str:
        if told is None:
            return "of which the log knows nothing: it is of another session, or what was first in the log was given up"
        where = "it was freed" if self._past.was_freed(obj) else "its session has ended"
        return (
            f"stored with put() by a driver, is gone: its {told.object_bytes:,} bytes were too many for the log, and "
            f"{where}"
        )
