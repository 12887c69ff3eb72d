"""Calls that the core hears of afterwards, or while they are under way: who may make them, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random

import pytest
from cellray.core.actor_record import ALIVE
from cellray.core.invariants import check_drained
from cellray.ids import ActorId, ClientId, ObjectId, TaskId, actor_object_id
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.object import ObjectValue, ValueKind, decode_failure
from cellray.model.task import TaskSpec, TaskTemplate

from tests.unit.core.kit import DRIVER, JOB, ROOT, SHELL, VALUE, assigned, child, result
from tests.unit.core.test_actors import ActorNode, creation, failure_of, method

ADDRESS = "/somewhere/driver-1.sock"
STRANGER = ClientId(77)


class DirectNode(ActorNode):
    """A node with an actor that the driver calls directly."""

    def __init__(self, template: TaskTemplate | None = None, retries: int = 0) -> None:
        super().__init__(cpus=2)
        self.method = method(retries)
        self.register(self.method)
        self.actor = self.create(template or creation())
        self.worker = self.worker_of(self.actor)
        self.finish(self.actor, self.worker)

    def ask(self, last: TaskId, actor: ActorId | None = None, source: ClientId = DRIVER) -> list[c.OpenDirectLine]:
        asked = f.DirectLineRequested(7, actor_object_id(actor or self.actor), last, ADDRESS)
        return lines(self.tell(asked, source=source))

    def made(self, index: int | None = None, **changes: object) -> f.DirectCall:
        """A direct call, under way unless it gets an `end`."""
        index = next(self.next) if index is None else index
        spec = TaskSpec(index, self.method.template_id, b"", (), (actor_object_id(self.actor),))
        call = f.DirectCall(DRIVER, self.worker, ROOT, self.at, child(index), spec)
        return f.DirectCall(**{name: changes.get(name, getattr(call, name)) for name in call.__struct_fields__})  # type: ignore[arg-type]

    def ended(self, value: ObjectValue = VALUE) -> f.DirectCall:
        call = self.made()
        return self.made(call.spec.index, end=f.TaskFinished(call.task_id, self.at, self.at, (value,)))

    def tell_made(self, *calls: f.DirectCall, source: ClientId = DRIVER) -> list[c.Command]:
        return self.tell(f.DirectCallsMade(list(calls)), source=source)


def lines(commands: list[c.Command]) -> list[c.OpenDirectLine]:
    sent = [each.command for each in commands if isinstance(each, c.Send)]
    return [each for each in sent if isinstance(each, c.OpenDirectLine)]


def logged(commands: list[c.Command]) -> list[f.Fact]:
    return [fact for each in commands if isinstance(each, c.AppendFacts) for fact in each.facts]


def delivered(commands: list[c.Command], task_id: TaskId) -> list[ClientId]:
    return [
        each.client_id
        for each in commands
        if isinstance(each, c.Send) and isinstance(each.command, c.ObjectsReady)
        for object_id, _ in each.command.objects
        if object_id == result(task_id)
    ]


def test_an_actor_is_told_to_talk_to_who_waits_for_its_last_call() -> None:
    node = DirectNode()
    last = node.call(node.actor)
    assert node.ask(last) == [c.OpenDirectLine(DRIVER, ADDRESS, 7)], "what was asked with it may be under way"
    node.finish(last, node.worker)
    assert node.ask(last) == [c.OpenDirectLine(DRIVER, ADDRESS, 7)]


def _other_under_way(node: DirectNode) -> TaskId:
    node.call(node.actor)
    return node.call(node.actor)


def _other_waits(node: DirectNode) -> TaskId:
    node.submit(500)
    node.call(node.actor, dependencies=(result(child(500)),))
    return node.call(node.actor)


def _other_in_pause(node: DirectNode) -> TaskId:
    first = node.call(node.actor, method(3))
    template = node.core._tasks.tasks[first]
    node.core._actors.known[node.actor].worker.take_out(template, 0.0)  # type: ignore[union-attr]
    node.core._tasks.retry(template, "it failed", node.at, pause_s=5.0)
    return child(10**6)


def _ending(node: DirectNode) -> TaskId:
    last = node.call(node.actor)
    node.tell(f.ActorKillRequested(node.actor, node.at, no_restart=False))
    return last


def _dead(node: DirectNode) -> TaskId:
    node.tell(f.ActorKillRequested(node.actor, node.at))
    return node.call(node.actor)


@pytest.mark.parametrize("prepare", [_other_under_way, _other_waits, _other_in_pause, _ending, _dead])
def test_nobody_is_told_while_a_direct_call_could_overtake_or_go_nowhere(
    prepare: Callable[[DirectNode], TaskId],
) -> None:
    node = DirectNode(creation(max_restarts=3))
    assert not node.ask(prepare(node))


@pytest.mark.parametrize(
    ("options", "is_told"),
    [({}, True), ({"max_concurrency": 3}, False), ({"max_concurrency": 3, "is_async": True}, True)],
)
def test_which_actors_have_lines(options: dict[str, int | bool], is_told: bool) -> None:
    node = DirectNode(creation(**options))
    assert bool(node.ask(node.call(node.actor))) is is_told


def test_no_line_to_an_actor_that_is_made_or_not_known() -> None:
    node = DirectNode()
    assert not node.ask(child(5), node.create(creation()))
    assert not node.ask(child(5), ActorId(child(12345)))


def test_workers_have_no_lines() -> None:
    node = DirectNode()
    other = next(each for each in node.core._workers.workers if each != node.worker)
    assert not node.ask(child(5), source=other)


def test_another_callers_calls_are_nothing_to_wait_for() -> None:
    node = DirectNode()
    other = ClientId(50)
    job = f.JobStarted(other, type(JOB)(b"job2"), TaskId(b"s" * 16), 0.0, 1, "test")
    node.tell(job, source=SHELL)
    spec = TaskSpec(0, node.method.template_id, b"", (), (actor_object_id(node.actor),))
    node.tell(f.ObjectsHeld([actor_object_id(node.actor)]), source=other)
    node.tell(f.TasksSubmitted(TaskId(b"s" * 16), 0.0, [spec]), source=other)
    assert node.ask(node.call(node.actor))
    node.tell(f.JobEnded(other, type(JOB)(b"job2"), node.at, ""), source=SHELL)


def test_what_has_ended_is_an_object_and_is_logged_as_any_call() -> None:
    node = DirectNode()
    first, second = node.ended(), node.ended(ObjectValue(ValueKind.INLINE, b"other"))
    commands = node.tell_made(first, second)
    assert logged(commands) == [
        fact
        for call in (first, second)
        for fact in (
            f.TasksSubmitted(ROOT, call.at, [call.spec]),
            f.TasksDispatched(node.worker, call.at, [call.task_id]),
            call.end,
        )
    ]
    assert not delivered(commands, first.task_id), "its caller has it"
    node.call(node.actor, dependencies=(result(second.task_id),))
    node.tell(f.ObjectsReleased([result(first.task_id)]))
    assert result(first.task_id) not in node.core._objects.entries
    assert result(second.task_id) in node.core._objects.entries, "an argument of a call that has not ended"


@pytest.mark.parametrize(
    "value",
    [ObjectValue(ValueKind.SHARED, b"", 64, 10), ObjectValue(ValueKind.INLINE, b"v", contained=(result(child(1)),))],
)
def test_what_others_have_to_do_with_does_not_end_so(value: ObjectValue) -> None:
    node = DirectNode()
    call = node.ended(value)
    assert not logged(node.tell_made(call))
    assert node.core.ignored["DirectCallsMade"] == 1


@pytest.mark.parametrize("source", [DRIVER, "worker"])
def test_a_call_under_way_is_one_that_was_sent(source: ClientId | str) -> None:
    node = DirectNode()
    call = node.made()
    commands = node.tell_made(call, source=node.worker if source == "worker" else DRIVER)  # type: ignore[arg-type]
    assert not assigned(commands), "its actor has it"
    assert [type(fact) for fact in logged(commands)] == [f.TasksSubmitted, f.TasksDispatched]
    assert delivered(node.finish(call.task_id, node.worker), call.task_id) == [DRIVER]


@pytest.mark.parametrize("has_ended", [False, True])
@pytest.mark.parametrize("driver_first", [False, True])
def test_both_may_tell_of_it(driver_first: bool, has_ended: bool) -> None:
    node = DirectNode()
    call = node.made()
    first, second = (DRIVER, node.worker) if driver_first else (node.worker, DRIVER)
    node.tell_made(call, source=first)
    if has_ended:
        node.finish(call.task_id, node.worker)
    assert not logged(node.tell_made(call, source=second))
    if not has_ended:
        assert delivered(node.finish(call.task_id, node.worker), call.task_id) == [DRIVER]
    assert node.core._tasks.live == 0
    node.tell(f.ObjectsReleased([result(call.task_id)]))
    assert result(call.task_id) not in node.core._objects.entries


@pytest.mark.parametrize("source", [STRANGER, "other worker"])
def test_nobody_else_may_tell_of_it(source: ClientId | str) -> None:
    node = DirectNode()
    other = next(each for each in node.core._workers.workers if each != node.worker)
    by = other if source == "other worker" else STRANGER
    assert not logged(node.tell_made(node.made(), source=by))
    assert not logged(node.tell_made(node.ended(), source=by))
    assert not node.core._tasks.live


def test_a_caller_that_has_gone_waits_for_nothing() -> None:
    node = DirectNode(creation(detached=True))
    call = node.made()
    node.tell(f.JobEnded(DRIVER, JOB, node.at, ""), source=SHELL)
    assert not logged(node.tell_made(call, source=node.worker))
    node.finish(call.task_id, node.worker)
    assert not node.core._tasks.live


def test_a_call_that_was_with_a_dead_actor_is_told_why() -> None:
    node = DirectNode()
    node.tell(f.WorkerExited(node.worker, node.at, 0, 9), source=SHELL)
    call = node.made()
    assert failure_of(node.tell_made(call), result(call.task_id)) == "actor_died"


def test_a_call_that_dies_with_the_actor_is_told_why() -> None:
    node = DirectNode()
    call = node.made()
    node.tell_made(call)
    died = node.tell(f.WorkerExited(node.worker, node.at, 0, 9), source=SHELL)
    assert failure_of(died, result(call.task_id)) == "actor_died"


@pytest.mark.parametrize("was_told", [False, True])
def test_a_call_that_was_with_a_lost_process_may_have_run(was_told: bool) -> None:
    node = DirectNode(creation(max_restarts=1))
    call = node.made()
    commands = node.tell_made(call) if was_told else []
    commands += node.tell(f.WorkerExited(node.worker, node.at, 0, 9), source=SHELL)
    commands += [] if was_told else node.tell_made(call)
    (value,) = [
        value
        for each in commands
        if isinstance(each, c.Send) and isinstance(each.command, c.ObjectsReady)
        for object_id, value in each.command.objects
        if object_id == result(call.task_id)
    ]
    failure = decode_failure(value.data)
    assert failure.kind == "actor_unavailable"
    assert "may have run" in failure.message


@pytest.mark.parametrize("was_told", [False, True])
def test_it_is_tried_again_if_the_call_allows_that(was_told: bool) -> None:
    node = DirectNode(creation(max_restarts=1), retries=1)
    call = node.made()
    if was_told:
        node.tell_made(call)
    node.tell(f.WorkerExited(node.worker, node.at, 0, 9), source=SHELL)
    if not was_told:
        node.tell_made(call)
    node.refill()
    node.refill()
    again = node.worker_of(node.actor)
    assert assigned(node.finish(node.actor, again)) == [(again, [call.task_id])]
    assert delivered(node.finish(call.task_id, again), call.task_id) == [DRIVER]


def test_a_call_that_its_process_does_not_know_comes_back_and_is_sent() -> None:
    node = DirectNode()
    call = node.made()
    returned = f.TasksReturned(node.worker, node.at, [call.task_id])
    commands = node.tell(f.DirectCallsMade([call]), returned, source=node.worker)
    assert assigned(commands) == [(node.worker, [call.task_id])]


def test_a_call_under_way_is_cancelled_as_any() -> None:
    node = DirectNode()
    call = node.made()
    commands = node.tell(f.DirectCallsMade([call]), f.CancelRequested([call.task_id], node.at))
    sent = [each.command for each in commands if isinstance(each, c.Send) and each.client_id == node.worker]
    assert sent == [c.InterruptTask(call.task_id)]


def test_a_direct_call_keeps_its_actor() -> None:
    node = DirectNode()
    call = node.made()
    node.tell(f.DirectCallsMade([call]), f.ObjectsReleased([actor_object_id(node.actor)]))
    assert node.state(node.actor) == ALIVE
    node.finish(call.task_id, node.worker)
    assert node.actor not in node.core._actors.known


@pytest.mark.parametrize("seed", range(60))
def test_random_histories_keep_the_invariants(seed: int) -> None:
    random = Random(seed)
    node = DirectNode(creation(max_restarts=-1), retries=random.choice((0, 2)))
    node.next = count(1000)
    held: list[ObjectId] = []
    secret: list[f.DirectCall] = []
    for _ in range(150):
        node.at += 0.01
        worker = node.core._actors.known[node.actor].worker
        action = random.random()
        if action < 0.2:
            call = node.ended()
            node.tell_made(call)
            held.append(result(call.task_id))
        elif action < 0.4 and worker is not None and node.state(node.actor) == ALIVE:
            node.worker = worker.client_id
            secret.append(node.made())
        elif action < 0.6 and secret:
            call = secret[0] if random.random() < 0.3 else secret.pop(0)
            node.tell_made(call, source=random.choice((DRIVER, call.worker_id)))
            held.append(result(call.task_id))
        elif action < 0.7:
            held.append(result(node.call(node.actor, node.method)))
        elif action < 0.9 and worker is not None and worker.queue:
            node.finish(random.choice(worker.queue).task_id, worker.client_id)
        elif action < 0.93 and worker is not None:
            node.tell(f.WorkerExited(worker.client_id, node.at, 0, 9), source=SHELL)
        elif action < 0.96 and held:
            node.tell(f.ObjectsReleased([held.pop(0)]))
        else:
            node.refill()
    node.tell(f.JobEnded(DRIVER, JOB, node.at, ""), source=SHELL)
    for worker_id in list(node.core._workers.workers):
        node.tell(f.WorkerExited(worker_id, node.at, 0, 9), source=SHELL)
    check_drained(node.core)
