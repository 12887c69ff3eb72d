"""States of actors as they were, rebuilt in this process: the constructor, a checkpoint if there is one, the calls.

Calls run in the order in which they ended; for an actor that ran several at a time that is one order of many. One that
loses its state when its process dies begins anew there; one that recovers it goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cellray.errors import ReplayError
from cellray.ids import ActorId, TaskId, children_prefix
from cellray.model.actor import actor_of_call
from cellray.model.fact import ActorStarted, TaskFailed, TaskFinished, TasksSubmitted
from cellray.model.history import TaskHistory
from cellray.model.object import ValueKind
from cellray.replaying.past import Past, name_of

if TYPE_CHECKING:
    from cellray.replaying.runner import Runner


class ActorLife(NamedTuple):
    """What ran on an actor: `calls` in the order in which they ended, and how many had ended when each of its processes
    began (`births`)."""

    creation: TaskHistory
    calls: list[TaskId]
    births: list[int]


class ActorStates:
    """For one replay."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
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
        return self._rebuilt(actor_id, life, life.calls[begin_of(life, place) : place])

    def after(self, actor_id: ActorId, count: int) -> Any:
        """The instance after so many calls, in the process that had the last of them."""
        life = self.life(actor_id)
        return self._rebuilt(actor_id, life, life.calls[begin_of(life, max(count - 1, 0)) : count])

    def _rebuilt(self, actor_id: ActorId, life: ActorLife, calls: list[TaskId]) -> Any:
        actor = self._runner.actor_of(actor_id)
        if life.creation.task_id in self._rebuilding:
            raise ReplayError(f"the state of {name_of(life.creation)} is needed to rebuild itself")
        self._rebuilding.add(life.creation.task_id)
        try:
            instance = self._runner.run_on(None, life.creation, actor)
            for task_id in calls:
                self._run(instance, task_id)
        finally:
            self._rebuilding.discard(life.creation.task_id)
        return instance

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
    actor = life.creation.template.actor if life.creation.template is not None else None
    if getattr(actor, "recovers", False):
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
    past.fetch(ended)
    calls = [task_id for task_id in ended if is_call(past.task(task_id))]
    return ActorLife(creation, calls, births)


def is_call(history: TaskHistory | None) -> bool:
    """Whether a task is a call of an actor, and not one that was merely given a handle."""
    return history is not None and history.template is not None and bool(history.template.method)
