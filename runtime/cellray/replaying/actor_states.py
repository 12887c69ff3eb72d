"""States of actors as they were, rebuilt in this process: the constructor, a checkpoint if there is one, the calls.

Calls run in the order in which they ended; for an actor that ran several at a time that is one order of many. One that
loses its state when its process dies begins anew there; one that recovers it goes on, and its calls that are read-only
are left out.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from cellray.errors import ReplayError
from cellray.ids import ActorId, TaskId, children_prefix
from cellray.model.actor import Checkpoint, actor_of_call
from cellray.model.fact import ActorCheckpointed, ActorStarted, TaskFailed, TaskFinished, TasksSubmitted
from cellray.model.history import TaskHistory
from cellray.model.object import ValueKind
from cellray.replaying.past import Past, name_of
from cellray.serialization import deserialize
from cellray.store.checkpoints import read_checkpoint

if TYPE_CHECKING:
    from cellray.replaying.runner import Runner


class ActorLife(NamedTuple):
    """What ran on an actor: `calls` in the order in which they ended, and how many had ended when each of its processes
    began (`births`). `checkpoints` are states that were kept, each with how many calls had ended."""

    creation: TaskHistory
    calls: list[TaskId]
    births: list[int]
    checkpoints: list[tuple[int, Checkpoint]]

    @property
    def recovers(self) -> bool:
        """Whether the death of its process cost it no state."""
        template = self.creation.template
        return template is not None and template.actor is not None and template.actor.recovers


class ActorStates:
    """For one replay."""

    def __init__(self, runner: Runner, checkpoint_folder: str) -> None:
        self._runner = runner
        self._checkpoint_folder = checkpoint_folder
        self._past = runner.past
        self._lives: dict[ActorId, ActorLife] = {}
        self._rebuilding: set[TaskId] = set()

    def life(self, actor_id: ActorId) -> ActorLife:
        """All of an actor: one reading of the log from its creation on."""
        known = self._lives.get(actor_id)
        if known is None:
            known = self._lives[actor_id] = read_life(self._past, actor_id)
        return known

    def before(self, actor_id: ActorId, call: TaskId) -> Any:
        """The instance as a call found it; for one that has not ended, as it is after all that have."""
        life = self.life(actor_id)
        place = life.calls.index(call) if call in life.calls else len(life.calls)
        return self._rebuilt(actor_id, life, begin_of(life, place), place)

    def after(self, actor_id: ActorId, count: int) -> Any:
        """The instance after so many calls, in the process that had the last of them."""
        life = self.life(actor_id)
        return self._rebuilt(actor_id, life, begin_of(life, max(count - 1, 0)), count)

    def _rebuilt(self, actor_id: ActorId, life: ActorLife, begin: int, end: int) -> Any:
        actor = self._runner.actor_of(actor_id)
        if life.creation.task_id in self._rebuilding:
            raise ReplayError(f"the state of {name_of(life.creation)} is needed to rebuild itself")
        self._rebuilding.add(life.creation.task_id)
        try:
            for count, state in [*self._readable(life, begin, end), (begin, None)]:
                instance = self._runner.run_on(None, life.creation, actor)
                if state is not None and not self._restore(instance, state, life):
                    continue
                for task_id in life.calls[count:end]:
                    if not life.recovers or is_recorded(self._past.task(task_id)):
                        self._run(instance, task_id)
                return instance
        finally:
            self._rebuilding.discard(life.creation.task_id)
        raise AssertionError("without a checkpoint there is an instance")

    def _readable(self, life: ActorLife, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """States of checkpoints between these calls, each with how many calls had ended; the latest first."""
        for count, checkpoint in reversed(life.checkpoints):
            if begin < count <= end:
                if not checkpoint.file:
                    yield count, checkpoint.state.data
                    continue
                # It may have gone with its session, or when there were younger ones.
                with contextlib.suppress(OSError):
                    size = checkpoint.state.object_bytes
                    yield count, read_checkpoint(self._checkpoint_folder, checkpoint.file, size)

    def _restore(self, instance: Any, data: bytes, life: ActorLife) -> bool:
        """Give a new instance a state; whether it has taken it."""
        try:
            with self._runner.engine.installed():
                instance.__restore__(deserialize(data, writable=True))
        except Exception as error:
            warnings.warn(
                f"{name_of(life.creation)}: a checkpoint could not be restored ({type(error).__name__}: {error}); its "
                "state is rebuilt from an earlier one, or from its constructor, and more calls.",
                stacklevel=2,
            )
            return False
        return True

    def _run(self, instance: Any, task_id: TaskId) -> None:
        history = self._past.task(task_id)
        assert history is not None, "it was found in the log"
        try:
            self._runner.run_on(instance, history, self._runner.actor_of(actor_of_call(history.spec.contained)))
        except ReplayError as error:
            raise ReplayError(f"the state of the actor cannot be rebuilt: {error}") from error
        except Exception:
            pass


def begin_of(life: ActorLife, place: int) -> int:
    """The first call of the process that had the call at `place`, as far as its state goes."""
    if life.recovers:
        return 0
    return max((birth for birth in life.births if birth <= place), default=0)


def read_life(past: Past, actor_id: ActorId) -> ActorLife:
    """What the log has of an actor. Raises ReplayError when that is not its creation."""
    creation = past.task(TaskId(actor_id))
    if creation is None or creation.template is None or creation.template.actor is None:
        raise ReplayError(f"the creation of actor {actor_id.hex()} is not in the log: its state cannot be rebuilt")
    called: set[TaskId] = set()
    ended: dict[TaskId, None] = {}
    births: list[int] = []
    taken: list[Checkpoint] = []
    for told in past.log.history.iter(creation.sequence - 1):
        fact = told.fact
        if isinstance(fact, TasksSubmitted):
            prefix = children_prefix(fact.parent_id)
            called.update(
                TaskId(prefix + spec.index.to_bytes(4, "big"))
                for spec in fact.tasks
                if actor_of_call(spec.contained) == actor_id
            )
        elif isinstance(fact, TaskFinished | TaskFailed):
            has_run = isinstance(fact, TaskFinished) or fact.error.kind == ValueKind.ERROR
            if has_run and fact.task_id in called:
                ended[fact.task_id] = None
        elif isinstance(fact, ActorStarted) and fact.actor_id == actor_id:
            births.append(len(ended))
        elif isinstance(fact, ActorCheckpointed) and fact.actor_id == actor_id:
            taken.append(fact.checkpoint)
    past.fetch(ended)
    calls = [task_id for task_id in ended if is_call(past.task(task_id))]
    # A checkpoint counts those calls only that would run again.
    recorded = [place for place, task_id in enumerate(calls, 1) if is_recorded(past.task(task_id))]
    places = [(recorded[each.calls - 1], each) for each in taken if 0 < each.calls <= len(recorded)]
    return ActorLife(creation, calls, births, places)


def is_call(history: TaskHistory | None) -> bool:
    """Whether a task is a call of an actor, and not one that was merely given a handle."""
    return history is not None and history.template is not None and bool(history.template.method)


def is_recorded(history: TaskHistory | None) -> bool:
    """Whether a call may have changed an actor that recovers its state."""
    return history is not None and history.template is not None and history.template.recorded
