"""Plausible histories: a tiny node that submits, dispatches, ends, loses and cancels as told, and writes the facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cellray.ids import (
    ClientId,
    FunctionHash,
    JobId,
    NodeId,
    ObjectId,
    SessionId,
    TaskId,
    child_task_id,
    children_prefix,
    item_object_id,
    put_object_id,
    return_object_id,
    root_task_id,
)
from cellray.model import fact as told
from cellray.model.fact import Fact
from cellray.model.object import Failure, ObjectValue, ValueKind, encode_failure
from cellray.model.task import Cell, Function, TaskSpec, TaskTemplate, make_template
from hypothesis import strategies as st

NODE = "n1"
VALUE = ObjectValue(kind=ValueKind.INLINE, data=b"abc")
ERROR = ObjectValue(kind=ValueKind.ERROR, data=b"?")
ROOT = root_task_id(JobId(b"job0"))


def cell(number: int) -> Cell:
    """The run `In [number]` of the cell `cN`; every second run is of the same cell."""
    return Cell(kernel_id="k", cell_id=f"c{number % 2}", execution_count=number, line=1)


def template(name: str, number: int | None = 1, num_returns: int = 1) -> TaskTemplate:
    """A template of the function `name` in the cell's run `number`."""
    return make_template(
        FunctionHash(name.encode()),
        name,
        (("CPU", 10000),),
        num_returns=num_returns,
        cell=cell(number) if number is not None else None,
    )


class Story:
    """Writes facts, and keeps just enough to write plausible ones. One second passes with each fact."""

    def __init__(self, *, started: bool = True) -> None:
        self.facts: list[Fact] = []
        self.now = 1000.0
        self.submitted: list[TaskId] = []
        self.open: dict[TaskId, int] = {}
        self.queues: dict[int, list[TaskId]] = {}
        self.objects: list[ObjectId] = []
        self.items: dict[TaskId, int] = {}
        self.templates: dict[int, TaskTemplate] = {}
        self._children: dict[TaskId, int] = {}
        self._puts = 0
        self.worker_base = 10
        if started:
            self.tell(told.SessionStarted, session_id=SessionId("s"))
            self.tell(told.NodeJoined, node_id=NodeId(NODE), pid=1, resources=(), object_store_bytes=0)
            self.tell(
                told.JobStarted,
                client_id=ClientId(1),
                job_id=JobId(b"job0"),
                root_task_id=ROOT,
                pid=2,
                entrypoint="nb.ipynb",
            )

    def tell(self, kind: Callable[..., Fact], **fields: Any) -> None:
        """A fact, a second after the last one."""
        self.now += 1.0
        self.facts.append(kind(at=self.now, **fields))

    def register(self, one: TaskTemplate) -> None:
        """Function and template, once."""
        if one.template_id not in self.templates:
            self.templates[one.template_id] = one
            function = Function(one.function_hash, one.name, "m", "def f(): ...", b"pickle", one.cell)
            self.tell(told.FunctionRegistered, function=function)
            self.tell(told.TemplateRegistered, template=one)

    def submit(
        self,
        one: TaskTemplate,
        count: int = 1,
        *,
        parent: TaskId = ROOT,
        dependencies: tuple[ObjectId, ...] = (),
    ) -> list[TaskId]:
        """Tasks of one parent, all with the same inputs; their ids."""
        self.register(one)
        first = self._children.get(parent, 0)
        self._children[parent] = first + count
        specs = [TaskSpec(first + n, one.template_id, dependencies=dependencies) for n in range(count)]
        self.tell(told.TasksSubmitted, parent_id=parent, tasks=specs)
        prefix = children_prefix(parent)
        ids = [child_task_id(prefix, first + n) for n in range(count)]
        for task_id in ids:
            self.submitted.append(task_id)
            self.open[task_id] = one.num_returns
            self.objects += [return_object_id(task_id, n) for n in range(one.num_returns)]
        return ids

    def put(self, parent: TaskId = ROOT) -> ObjectId:
        """An object stored by a driver or a task."""
        object_id = put_object_id(parent, self._puts)
        self._puts += 1
        self.objects.append(object_id)
        self.tell(told.ObjectSealed, object_id=object_id, value=VALUE)
        return object_id

    def dispatch(self, worker: int, ids: list[TaskId]) -> None:
        """Tasks to a worker."""
        self.queues.setdefault(worker, []).extend(ids)
        self.tell(told.TasksDispatched, worker_id=ClientId(worker), task_ids=ids)

    def finish(self, task_id: TaskId, seconds: float = 0.5) -> None:
        """A task returns."""
        self.now += 1.0
        values = (VALUE,) * self.leave(task_id)
        self.facts.append(told.TaskFinished(task_id, self.now - seconds, self.now, values))

    def fail(self, task_id: TaskId, *, will_retry: bool = False, error: ObjectValue = ERROR) -> None:
        """A task raises."""
        self.now += 1.0
        fact = told.TaskFailed(task_id, self.now - 0.5, self.now, error, "ValueError: no", will_retry)
        self.facts.append(fact)
        returns = self.leave(task_id)
        if will_retry:
            self.open[task_id] = returns

    def yields(self, task_id: TaskId, count: int, *, again: bool = False) -> None:
        """A generator yields items; with `again` from the first on, as another attempt does."""
        first = 0 if again else self.items.get(task_id, 0)
        self.items[task_id] = max(self.items.get(task_id, 0), first + count)
        self.objects += [item_object_id(task_id, index) for index in range(first, first + count)]
        self.tell(told.ItemsYielded, task_id=task_id, index=first, values=[VALUE] * count)

    def retry(self, task_id: TaskId, attempt: int, returns: int = 1) -> None:
        """The core queues a task again."""
        self.leave(task_id)
        self.open[task_id] = returns
        self.tell(told.TaskRetried, task_id=task_id, attempt=attempt, reason="worker lost")

    def cancel(self, task_id: TaskId) -> None:
        """A task is cancelled."""
        self.leave(task_id)
        self.tell(told.TaskCancelled, task_id=task_id, reason="asked")

    def give_back(self, worker: int, ids: list[TaskId]) -> None:
        """A worker returns tasks that it had not begun."""
        self.queues[worker] = [each for each in self.queues[worker] if each not in ids]
        self.tell(told.TasksReturned, worker_id=ClientId(worker), task_ids=ids)

    def lose_worker(self, worker: int) -> list[TaskId]:
        """A worker dies; what it held."""
        self.tell(told.WorkerExited, worker_id=ClientId(worker), signal=9)
        # Client ids are never used again; the other workers finish what they hold.
        self.worker_base += 3
        return self.queues.pop(worker, [])

    def leave(self, task_id: TaskId) -> int:
        """Out of all queues and no longer open; its number of returns."""
        for queue in self.queues.values():
            if task_id in queue:
                queue.remove(task_id)
        return self.open.pop(task_id, 1)


LOST = encode_failure(Failure("object_lost", "gone"))
TEMPLATES = [
    template("load", 1),
    template("train", 1, num_returns=2),
    template("load", 2),
    template("load", 3),
    template("score", None),
]
ACTIONS = ("submit", "nest", "put", "dispatch", "finish", "fail", "retry", "cancel", "return", "exit", "yield", "other")


def act(story: Story, action: str, a: int, b: int) -> None:
    """One thing that could happen next; nothing when it cannot. `a` and `b` choose."""
    queued = [(worker, queue) for worker, queue in story.queues.items() if queue]
    worker, queue = queued[a % len(queued)] if queued else (0, [])
    held = {task_id for each in story.queues.values() for task_id in each}
    free = [task_id for task_id in story.open if task_id not in held]
    if action == "submit" or (action == "nest" and queue):
        inputs = tuple(story.objects[-1 - (a + n) % len(story.objects)] for n in range(b % 3) if story.objects)
        parent = queue[0] if action == "nest" else ROOT
        story.submit(TEMPLATES[a % len(TEMPLATES)], 1 + b % 4, parent=parent, dependencies=inputs)
    elif action == "put":
        story.put(queue[0] if queue and b % 2 else ROOT)
    elif action == "dispatch" and free:
        story.dispatch(story.worker_base + a % 3, free[: 1 + b % 4])
    elif action == "finish" and queue:
        story.finish(queue[0], 0.1 * (1 + b % 30))
    elif action == "fail" and queue:
        story.fail(queue[0], will_retry=b % 3 == 0, error=LOST if b % 5 == 0 else ERROR)
    elif action == "retry" and queue:
        task_id, returns = queue[0], story.open[queue[0]]
        if b % 2:
            story.fail(task_id)
        story.retry(task_id, 1 + b % 2, returns)
    elif action == "cancel" and story.open:
        story.cancel(list(story.open)[a % len(story.open)])
    elif action == "return" and len(queue) > 1:
        story.give_back(worker, queue[-1 - b % (len(queue) - 1) :])
    elif action == "exit" and queued:
        lost = story.lose_worker(worker)
        if b % 2:
            story.retry(lost[0], 1, story.open.get(lost[0], 1))
    elif action == "yield" and queue:
        story.yields(queue[0], 1 + b % 3, again=b % 5 == 0)
    elif action == "other" and story.submitted:
        some = story.submitted[a % len(story.submitted)]
        if b % 3 == 0 and story.objects:
            story.tell(told.ObjectsFreed, object_ids=[story.objects[a % len(story.objects)]])
        elif b % 3 == 1:
            story.tell(told.TaskOutput, task_id=some, stream="stdout", text="hi", dropped_bytes=b % 2)
        elif queue:
            story.tell(told.TaskStarted, task_id=queue[-1], worker_id=ClientId(worker))
            queue.insert(0, queue.pop())


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Random plausible histories, some of which began before their log, some of which are over."""
    story = Story(started=draw(st.booleans()))
    number = st.integers(0, 99)
    step = st.tuples(st.sampled_from(ACTIONS), number, number)
    # Left alone, Hypothesis likes short lists, in which little meets.
    for action, a, b in draw(st.lists(step, min_size=draw(st.sampled_from([0, 50])), max_size=100)):
        act(story, action, a, b)
    end = draw(st.sampled_from(["open", "job", "session"]))
    if end == "job":
        story.tell(told.JobEnded, client_id=ClientId(1), job_id=JobId(b"job0"), reason="closed")
    elif end == "session":
        story.tell(told.SessionEnded, reason="shutdown")
    return story
