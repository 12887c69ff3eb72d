"""The engine that replayed code finds where the runtime's would be: nothing that it does leaves the process.

What it submits gets the ids that it had then, and with them the results of then, from wherever they can be had. What it
submits now and did not submit then runs here, when its result is wanted. `put` keeps values here; `wait` finds
everything ready; `cancel`, `kill` and what is asked of the cluster do nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from cellray.api import current
from cellray.engines.context import SubmitContext
from cellray.errors import ReplayError
from cellray.ids import ObjectId, TaskId, is_put, producer_of, return_object_ids
from cellray.model.environment import Environment, parse_environment
from cellray.model.history import TaskHistory
from cellray.model.node import NodeState
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.placement import Placement
from cellray.ports import FaultEngine, ObjectLook, SubmitOptions
from cellray.replaying.engine_parts import PastActor, ReplayActors, ReplayGroups, ReplayRuntime, ReplayStreams
from cellray.replaying.submissions import Submission, Submissions

if TYPE_CHECKING:
    from cellray.replaying.runner import Runner

UNKNOWN = ObjectValue(ValueKind.INLINE)


class Everything:
    """`ports.Resolved` with every object: all is ready in the past."""

    arrivals = 0

    def __contains__(self, _obj: object) -> bool:
        return True


class Running:
    """The task that is replayed at the moment."""

    def __init__(self, engine: ReplayEngine, history: TaskHistory, actor: PastActor | None) -> None:
        template = history.template
        assert template is not None, "a task without a template is not replayed"
        self.context = SubmitContext(history.task_id, template, history.function)
        self.runtime = ReplayRuntime(engine, history, actor)
        self.environment = parse_environment(template.environment)
        self.placement: Placement | None = template.placement
        self.node_id = history.facts[0].node_id if history.facts else ""


class ReplayEngine:
    """`ports.Engine` of one replay: of its task, and of those that are run for its sake. References belong to it."""

    def __init__(self, runner: Runner) -> None:
        self.past, self.values = runner.past, runner.values
        self.submissions = Submissions(runner)
        self.last_submitted: TaskId | None = None
        self.actors = ReplayActors(self)
        self.streams = ReplayStreams(self)
        self.groups = ReplayGroups(self)
        self.resolved = Everything()
        self.is_lost = False
        self._running: list[Running] = []

    @contextlib.contextmanager
    def running(self, history: TaskHistory, actor: PastActor | None) -> Iterator[None]:
        """While a task runs: the verbs of this process speak to the replay."""
        self._running.append(Running(self, history, actor))
        try:
            with self.installed():
                yield
        finally:
            self._running.pop()

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """While values with references are read. The verbs speak to the replay in all threads; afterwards to whom they
        spoke before."""
        before = current.engine
        current.set_engine(self)
        try:
            yield
        finally:
            current.set_engine(before)

    @property
    def context(self) -> SubmitContext:
        """Of the task that runs."""
        return self._running[-1].context

    @property
    def runtime(self) -> ReplayRuntime:
        """See `ports.Engine`."""
        return self._running[-1].runtime

    @property
    def node_id(self) -> str:
        """See `ports.Engine`."""
        return self._running[-1].node_id

    @node_id.setter
    def node_id(self, _other: str) -> None:
        raise ReplayError("where a task of the past ran cannot be changed")

    @property
    def environment(self) -> Environment:
        """See `ports.Engine`."""
        return self._running[-1].environment

    @environment.setter
    def environment(self, _other: Environment) -> None:
        raise ReplayError("what surrounded a task of the past cannot be changed")

    @property
    def placement(self) -> Placement | None:
        """See `ports.Engine`."""
        return self._running[-1].placement

    @placement.setter
    def placement(self, _other: Placement | None) -> None:
        raise ReplayError("where a task of the past was placed cannot be changed")

    @property
    def faults(self) -> FaultEngine:
        """See `ports.Engine`."""
        raise ReplayError("a replayed task wants something to break on purpose, and here is no runtime that could")

    def node_state(self) -> NodeState:
        """See `ports.Engine`."""
        raise ReplayError("a replayed task asks for the state of the cluster: the log does not have it as it was then")

    def prepare(self, function: Callable[..., Any], options: SubmitOptions) -> Submission:
        """See `ports.Engine`."""
        return Submission(function, options)

    def submit(self, prepared: Submission, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[ObjectId]:
        """See `ports.Engine`."""
        _, task = self.context.take_child()
        self.submissions.add(task, prepared.called_with(args, kwargs))
        self.last_submitted = task
        return return_object_ids(task, prepared.options.num_returns)

    def put(self, value: Any) -> ObjectId:
        """See `ports.Engine`."""
        obj = self.context.take_put()
        self.values.add(obj, value)
        return obj

    def get(self, ids: Sequence[ObjectId], timeout_s: float | None) -> list[Any]:
        """See `ports.Engine`."""
        return [self.get_one(obj) for obj in ids]

    def get_one(self, obj: ObjectId) -> Any:
        """See `ports.Engine`."""
        if not is_put(obj):
            self.submissions.settle(producer_of(obj))
        return self.values.load(obj)

    def look(self, obj: ObjectId) -> ObjectLook:
        """See `ports.Engine`."""
        submission = -1 if is_put(obj) else self.context.index_of(producer_of(obj))
        return ObjectLook(True, True, False, 0, submission)

    def load_into(self, future: Future[Any], obj: ObjectId, value: ObjectValue) -> None:
        """See `ports.Engine`."""
        try:
            future.set_result(self.get_one(obj))
        except BaseException as error:
            future.set_exception(error)

    def wait(self, ids: Iterable[ObjectId], count: int, timeout_s: float | None) -> bool:
        """See `ports.Engine`."""
        return True

    def cancel(self, task: TaskId, *, force: bool, recursive: bool) -> None:
        """See `ports.Engine`."""

    def is_call(self, task: TaskId) -> bool:
        """See `ports.Engine`."""
        return False

    def mark(self) -> int:
        """See `ports.Engine`."""
        return self.context.take_child()[0]

    def cancel_since(self, mark: int, reason: str) -> int:
        """See `ports.Engine`."""
        return 0

    def retain(self, obj: ObjectId) -> None:
        """See `ports.Engine`."""

    def retain_all(self, objects: Sequence[ObjectId]) -> None:
        """See `ports.Engine`."""

    def release(self, obj: ObjectId) -> None:
        """See `ports.Engine`."""

    def add_done_callback(self, obj: ObjectId, callback: Callable[[ObjectValue], None]) -> None:
        """See `ports.Engine`."""
        callback(UNKNOWN)

    def run_later(self, action: Callable[[], object]) -> None:
        """See `ports.Engine`."""
        action()

    def awaiting(self) -> AbstractContextManager[None]:
        """Around a coroutine's wait: there is none."""
        return contextlib.nullcontext()

    def close(self) -> None:
        """See `ports.Engine`."""
