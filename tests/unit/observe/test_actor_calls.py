"""Actors in the log: calls are named, belong to their actor, and each follows the one sent before it."""

from __future__ import annotations

from cellray.ids import ActorId, ClientId, FunctionHash, TaskId, actor_object_id, child_task_id, children_prefix
from cellray.model import fact as told
from cellray.model.actor import ActorOptions, MethodOptions
from cellray.model.task import Function, TaskSpec, make_template
from cellray.observe.fold import LogFold
from cellray.observe.lineage import Lineage
from cellray.observe.messages import EdgeKind

from tests.unit.observe.story import NODE, ROOT, VALUE, Story

COUNTER = FunctionHash(b"counter")
CREATE = make_template(
    COUNTER, "Counter.__init__", (), actor=ActorOptions("Counter", (MethodOptions("add"),), max_restarts=1)
)
ADD = make_template(COUNTER, "plus", (), method="add")


def task(index: int) -> TaskId:
    return child_task_id(children_prefix(ROOT), index)


class ActorStory(Story):
    """One actor, created as the driver's first task; `calls` of it come after."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.tell(told.FunctionRegistered, function=Function(COUNTER, "make.<locals>.Counter", "m", "class ...", b"p"))
        self.tell(told.TemplateRegistered, template=CREATE)
        self.tell(told.TemplateRegistered, template=ADD)
        self.actor = ActorId(task(0))
        handle = (actor_object_id(self.actor),)
        specs = [TaskSpec(0, CREATE.template_id)]
        specs += [TaskSpec(index, ADD.template_id, b"", (), handle) for index in range(1, calls + 1)]
        self.tell(told.TasksSubmitted, parent_id=ROOT, tasks=specs)

    def send(self, *indices: int) -> None:
        self.tell(told.TasksDispatched, worker_id=ClientId(9), task_ids=[task(index) for index in indices])

    def done(self, index: int) -> None:
        self.facts.append(told.TaskFinished(task(index), self.now, self.now + 1, (VALUE,)))

    def fold(self) -> LogFold:
        fold = LogFold()
        fold.apply(self.facts, 0, NODE)
        return fold


def stateful(fold: LogFold) -> set[tuple[TaskId, TaskId]]:
    kinds: set[EdgeKind] = {"stateful"}
    lineage = Lineage(fold)
    return {(before, each) for each in fold.tasks for before in lineage.ancestors(each, kinds)}  # type: ignore[misc]


def test_calls_carry_their_actor_and_the_name_of_their_method() -> None:
    fold = ActorStory(2).fold()
    assert {record.actor for record in fold.tasks.values()} == {task(0).hex()}
    assert [record.template.function for record in fold.tasks.values()] == ["Counter.__init__"] + ["Counter.add"] * 2
    assert [record.template.name for record in fold.tasks.values()] == ["Counter.__init__", "plus", "plus"]
    nodes = {node.id: node for node in Lineage(fold).to_snapshot().tasks}
    assert nodes[task(1).hex()].actor == task(0).hex()


def test_each_call_follows_the_one_that_was_sent_before_it() -> None:
    story = ActorStory(3)
    story.send(0)
    story.done(0)
    story.send(2)
    story.send(1, 3)
    fold = story.fold()
    assert [fold.tasks[task(index)].previous_call for index in range(4)] == [None, task(2), task(0), task(1)]
    assert (task(0), task(3)) in stateful(fold)
    assert (task(3), task(1)) not in stateful(fold)
    edges = {(edge.source, edge.target) for edge in Lineage(fold).to_snapshot().edges if edge.kind == "stateful"}
    assert edges == {(task(a).hex(), task(b).hex()) for a, b in ((0, 2), (2, 1), (1, 3))}


def test_a_restart_makes_no_circle() -> None:
    story = ActorStory(2)
    story.send(0)
    story.done(0)
    story.send(1)
    story.tell(told.ActorDied, actor_id=story.actor, reason="gone", will_restart=True)
    story.tell(told.TaskRetried, task_id=task(1), attempt=1, reason="gone")
    story.tell(told.TaskRetried, task_id=task(0), attempt=1, reason="gone")
    story.send(0)
    story.done(0)
    story.tell(told.ActorStarted, actor_id=story.actor, worker_id=ClientId(9), restarts=1)
    story.send(1, 2)
    fold = story.fold()
    assert [fold.tasks[task(index)].previous_call for index in range(3)] == [None, task(0), task(1)]
    assert all((node, node) not in stateful(fold) for node in fold.tasks)
    assert fold.tasks[task(0)].attempt == 1
