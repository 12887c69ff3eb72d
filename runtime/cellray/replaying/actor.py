"""`cellray.actor_at`: an actor as it was after some of its calls, to look at and to go on from."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from cellray.api.actor import ActorClass, ActorHandle
from cellray.api.session import started_engine
from cellray.errors import ReplayError
from cellray.ids import ActorId, short_task_id
from cellray.replaying.past import name_of
from cellray.replaying.runner import template_in
from cellray.replaying.task import Scene, opened
from cellray.serialization import deserialize, serialize

if TYPE_CHECKING:
    from cellray.observe.log import Log


def actor_at(actor: Any, call_index: int, log: Log | str | None = None) -> ActorState:
    """The state of an actor as it was after so many of its calls: 0 as the constructor made it, -1 after all of them.

    It is rebuilt in this process, from the constructor and the calls before, as `cellray.replay` runs them; the actor
    itself is left alone, and need not exist any more. `actor` is a handle, or the actor's id; `log` as for `replay`.

    `state.instance` is the object, `state.fork()` a new actor that goes on from there. Raises ReplayError when the
    actor or what its calls need is not to be had, IndexError when it has not had so many calls.

        state = cellray.actor_at(counter, 10)
        state.instance.total
        other = state.fork()
    """
    if not isinstance(call_index, int) or isinstance(call_index, bool):
        raise TypeError(f"call_index={call_index!r}: give the number of calls, 0 for the state after the constructor")
    with opened(log) as scene:
        creation = scene.ended(actor)
        if template_in(creation).actor is None:
            raise ReplayError(f"{name_of(creation)} is no actor: its value is had with cellray.replay()")
        actor_id, states = ActorId(creation.task_id), scene.runner.states
        calls = states.life(actor_id).calls
        count = call_index if call_index >= 0 else len(calls) + 1 + call_index
        if not 0 <= count <= len(calls):
            raise IndexError(
                f"call_index={call_index}: actor {short_task_id(creation.task_id)} has had {len(calls)} calls"
            )
        instance = states.after(actor_id, count)
        return ActorState(scene, instance, [scene.name_of_call(call) for call in calls[:count]])


class ActorState:
    """An actor's state in this process. `instance` is an ordinary object, `calls` names the calls until then."""

    def __init__(self, scene: Scene, instance: Any, calls: list[str]) -> None:
        self.instance = instance
        self.calls = calls
        self._engine = scene.runner.engine

    @property
    def call_index(self) -> int:
        """After so many calls."""
        return len(self.calls)

    def fork(self, **options: Any) -> ActorHandle:
        """A new actor of this session that begins with this state, as it is now. `options` are those of
        `@cellray.remote` for classes.

        The instance is copied to it by pickling. Raises SerializationError, naming the culprit, when that cannot be
        done; a `__getstate__` in the class can leave out what must not be copied.
        """
        started_engine()
        with self._engine.installed():
            copied = serialize(self.instance, f"the state of {type(self.instance).__name__}").to_bytes()
        # Read here, so that references in it are ones of this session.
        return ActorClass(_continued(type(self.instance)), options).remote(deserialize(copied))

    def __repr__(self) -> str:
        last = f", the last one {self.calls[-1]}" if self.calls else ""
        return f"ActorState({type(self.instance).__name__} after {len(self.calls)} calls{last})"


_SIGNATURE = inspect.Signature([inspect.Parameter("instance", inspect.Parameter.POSITIONAL_ONLY)])


def _continued(actor_class: type) -> type:
    """The class, but making one of it takes an instance and gives that."""

    def go_on(_class: type, instance: Any) -> Any:
        return instance

    continued = type(actor_class.__name__, (actor_class,), {"__new__": go_on, "__module__": actor_class.__module__})
    # What `ActorClass.remote` checks arguments against; the constructor's own does not count any more.
    continued.__signature__ = _SIGNATURE  # type: ignore[attr-defined]
    return continued
