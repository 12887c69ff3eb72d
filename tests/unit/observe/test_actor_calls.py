"""Actors in the log: calls are named, belong to their actor, and each follows the one sent before it."""

from __future__ import annotations

from cellray.ids import ActorId, ClientId, FunctionHash, TaskId, actor_object_id, child_task_id, children_prefix
from cellray.model import fact as told
from cellray.model.actor import ActorOptions, MethodOptions
from cellray.model.task import Function, TaskSpec, TaskTemplate, make_template
from cellray.observe.fold import LogFold
from cellray.observe.lineage import Lineage
from cellray.observe.messages import EdgeKind
from cellray.observe.records import FINISHED, READY, RUNNING

from tests.unit.observe.story import NODE, ROOT, VALUE, Story

COUNTER = FunctionHash(b"counter")
CREATE = make_template(
    COUNTER, "Counter.__init__", (), actor=ActorOptions("Counter", (MethodOptions("add"),), max_restarts=1)
)
ADD = make_template(COUNTER, "plus", (), method="add")
READ = make_template(COUNTER, "read", (), method="read", concurrency_group="io")
CREATE_CONCURRENT = make_template(
    COUNTER,
    "Counter.__init__",
    (),
    actor=ActorOptions("Counter", max_concurrency=2, concurrency_groups=(("io", 1),)),
)


def task(index: int) -> TaskId:
    return child_task_id(children_prefix(ROOT), index)


class ActorStory(Story):
    """One actor, created as the driver's first task; `calls` of it come after."""

    def __init__(self, calls: int, create: TaskTemplate = CREATE, others: int = 0) -> None:
        super().__init__()
        self.tell(told.FunctionRegistered, function=Function(COUNTER, "make.<locals>.Counter", "m", "class ...", b"p"))
        for template in (create, ADD, READ):
            self.tell(told.TemplateRegistered, template=template)
        self.actor = ActorId(task(0))
        handle = (actor_object_id(self.actor),)
        specs = [TaskSpec(0, create.template_id)]
        specs += [TaskSpec(index, ADD.template_id, b"", (), handle) for index in range(1, calls + 1)]
        specs += [TaskSpec(calls + 1 + index, READ.template_id, b"", (), handle) for index in range(others)]
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
    return {
        (TaskId(bytes.fromhex(before.id)), each) for each in fold.tasks for before in lineage.ancestors(each, kinds)
    }


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


class ConcurrentStory(ActorStory):
    """An actor that runs two calls at a time and one of its group; calls 1 to 4 are its own, 5 and 6 the group's."""

    def __init__(self) -> None:
        super().__init__(4, CREATE_CONCURRENT, others=2)
        self.send(0)
        self.done(0)

    def states(self) -> str:
        """Of the calls: `r` runs, `w` waits, `f` has finished."""
        letters = {RUNNING: "r", READY: "w", FINISHED: "f"}
        tasks = self.fold().tasks
        return "".join(letters[tasks[task(index)].state] for index in range(1, 7))


def test_as_many_calls_run_as_the_actor_may_have_under_way() -> None:
    story = ConcurrentStory()
    story.send(1, 2, 3, 4, 5, 6)
    assert story.states() == "rrwwrw"
    story.done(2)
    assert story.states() == "rfrwrw"
    story.done(5)
    assert story.states() == "rfrwfr"
    story.done(1)
    story.done(3)
    assert story.states() == "fffrfr"


def test_an_actor_knows_better_which_of_its_calls_run() -> None:
    story = ConcurrentStory()
    story.send(1, 2, 3, 4)
    story.tell(told.TaskStarted, task_id=task(4), worker_id=ClientId(9))
    assert story.states()[:4] == "rrwr"
    story.done(4)
    story.done(1)
    assert story.states()[:4] == "frrf"


def test_concurrent_calls_are_linked_in_the_order_of_sending() -> None:
    story = ConcurrentStory()
    story.send(1, 2, 3)
    story.done(3)
    story.done(1)
    assert {(task(0), task(1)), (task(1), task(2)), (task(2), task(3))} <= stateful(story.fold())


def test_calls_of_a_lost_process_run_again_as_many_as_may() -> None:
    story = ConcurrentStory()
    story.send(1, 2, 3)
    story.tell(told.WorkerExited, worker_id=ClientId(9))
    story.tell(told.TaskRetried, task_id=task(0), attempt=1, reason="it crashed")
    story.tell(told.TasksDispatched, worker_id=ClientId(10), task_ids=[task(0)])
    story.done(0)
    story.tell(told.TasksDispatched, worker_id=ClientId(10), task_ids=[task(1), task(2), task(3)])
    assert story.states()[:3] == "rrw"
