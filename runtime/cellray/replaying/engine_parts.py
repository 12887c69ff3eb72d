"""The parts of a replay's engine that concern actors, generators, placement groups, and who runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from cellray.errors import ReplayError
from cellray.ids import (
    ActorId,
    FunctionHash,
    GroupId,
    ObjectId,
    TaskId,
    actor_object_id,
    item_object_id,
    return_object_id,
    return_object_ids,
)
from cellray.model.actor import ActorOptions
from cellray.model.history import TaskHistory
from cellray.model.placement import GroupOptions
from cellray.model.task import RESOURCE_UNITS, Cell
from cellray.ports import Created, SubmitOptions
from cellray.replaying.past import items_of
from cellray.replaying.submissions import Submission

if TYPE_CHECKING:
    from cellray.replaying.engine import ReplayEngine


class ReplayActors:
    """`ports.ActorEngine`: actors have the ids of then, and calls the results of then."""

    def __init__(self, engine: ReplayEngine) -> None:
        self._engine = engine

    def create(
        self, actor_class: type, options: SubmitOptions, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Created:
        """See `ports.ActorEngine`."""
        assert options.actor is not None, "the options of an actor"
        _, task = self._engine.context.take_child()
        self._engine.submissions.add(task, Submission(actor_class, options, args, kwargs))
        known = self.find(options.actor.name, options.actor.namespace) if options.actor.name else None
        return known or Created(actor_object_id(ActorId(task)), FunctionHash(b""), options.actor, is_new=True)

    def prepare_method(self, class_hash: FunctionHash, options: SubmitOptions) -> Submission:
        """See `ports.ActorEngine`."""
        return Submission(None, options)

    def call(
        self, prepared: Submission, actor: ObjectId, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[ObjectId]:
        """See `ports.ActorEngine`."""
        _, task = self._engine.context.take_child()
        self._engine.submissions.add(task, prepared.called_with(args, kwargs))
        self._engine.last_submitted = task
        return return_object_ids(task, prepared.options.num_returns)

    def find(self, name: str, namespace: str) -> Created | None:
        """See `ports.ActorEngine`: by the log, the latest one of this name."""
        found = self._engine.past.named_actor(name, namespace)
        if found is None:
            return None
        creation, template = found
        assert template.actor is not None, "found by it"
        return Created(actor_object_id(creation), template.function_hash, template.actor, is_new=False)

    def kill(self, actor: ObjectId, *, no_restart: bool) -> None:
        """See `ports.ActorEngine`."""

    def names(self, *, all_namespaces: bool) -> list[tuple[str, str]]:
        """See `ports.ActorEngine`."""
        raise ReplayError("a replayed task asks for the names of actors: the log does not have them as they were then")


class PastStream:
    """A generator that the replayed task called: `count` items, of which `taken` have been taken."""

    def __init__(self, task: TaskId) -> None:
        self.task = task
        self.taken = 0
        self.count = -1


class ReplayStreams:
    """`ports.StreamEngine`: the items of then."""

    def __init__(self, engine: ReplayEngine) -> None:
        self._engine = engine

    def opened(self, task: TaskId) -> PastStream:
        """See `ports.StreamEngine`."""
        return PastStream(task)

    def next_id(self, stream: PastStream) -> ObjectId:
        """See `ports.StreamEngine`."""
        return item_object_id(stream.task, stream.taken)

    def take(self, stream: PastStream) -> ObjectId | None:
        """See `ports.StreamEngine`."""
        if self.is_at_end(stream):
            return None
        stream.taken += 1
        return item_object_id(stream.task, stream.taken - 1)

    def is_at_end(self, stream: PastStream) -> bool:
        """See `ports.StreamEngine`."""
        if stream.count < 0:
            submissions = self._engine.submissions
            submissions.settle(stream.task)
            history = self._engine.past.task(stream.task)
            here = submissions.items.get(stream.task)
            stream.count = here if here is not None else len(items_of(history)) if history is not None else 0
        return stream.taken >= stream.count

    def drop(self, stream: PastStream) -> None:
        """See `ports.StreamEngine`."""


class ReplayGroups:
    """`ports.GroupEngine`: groups have the ids of then."""

    def __init__(self, engine: ReplayEngine) -> None:
        self._engine = engine

    def create(self, options: GroupOptions, make_handle: Callable[[GroupId], Any], cell: Cell | None) -> GroupId:
        """See `ports.GroupEngine`."""
        _, task = self._engine.context.take_child()
        group_id = GroupId(task)
        self._engine.values.add(return_object_id(task, 0), make_handle(group_id))
        return group_id

    def remove(self, group_id: GroupId) -> None:
        """See `ports.GroupEngine`."""


class PastActor(NamedTuple):
    """`ports.CurrentActor`: whose call is replayed."""

    actor_id: ActorId
    class_hash: FunctionHash
    options: ActorOptions
    restarts: int


class ReplayRuntime:
    """`ports.RuntimeEngine`: who the task was."""

    is_worker = True
    worker_id = ""
    gcs_url = ""

    def __init__(self, engine: ReplayEngine, history: TaskHistory, actor: PastActor | None) -> None:
        assert history.template is not None, "a task without a template is not replayed"
        self._engine = engine
        self._history = history
        self._template = history.template
        self.actor = actor
        self.session_id = engine.past.log.session_id
        self.node_id = history.facts[0].node_id if history.facts else ""
        self.task_id = history.task_id
        self.task_name = history.template.name

    @property
    def function_name(self) -> str:
        """See `ports.RuntimeEngine`."""
        function = self._history.function
        method = self._template.method or ("__init__" if self._template.actor is not None else "")
        name = f"{function.module}.{function.name}" if function is not None else self.task_name
        return f"{name}.{method}" if method else name

    @property
    def resources(self) -> dict[str, float]:
        """See `ports.RuntimeEngine`."""
        return {name: units / RESOURCE_UNITS for name, units in self._template.resources}

    def job(self) -> tuple[str, str]:
        """See `ports.RuntimeEngine`."""
        root, past = self._history.parent_id, self._engine.past
        while (parent := past.task(root)) is not None:
            root = parent.parent_id
        job = past.job_of(root)
        if job is None:
            raise ReplayError("a replayed task asks for its job, whose driver is not in the log")
        return job[0].hex(), job[1]

    def record_span(self, name: str, started_at: float, extra: dict[str, str], error: str) -> None:
        """What the task names while it is replayed is no history."""

    def is_cancelled(self) -> bool:
        """See `ports.RuntimeEngine`."""
        return False

    def this_actor(self) -> Created | None:
        """See `ports.RuntimeEngine`."""
        if self.actor is None:
            return None
        return Created(actor_object_id(self.actor.actor_id), self.actor.class_hash, self.actor.options, is_new=False)
