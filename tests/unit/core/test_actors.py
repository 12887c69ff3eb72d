"""Actors in the core: what the transcripts do not tell, and invariants under random histories."""

from __future__ import annotations

from itertools import count
from random import Random

import pytest
from cellray.config import Config
from cellray.core.actor_record import ALIVE, DEAD, PENDING, RESTARTING
from cellray.core.invariants import check_drained
from cellray.errors import InternalError
from cellray.ids import ActorId, ClientId, FunctionHash, ObjectId, TaskId, actor_object_id, put_object_id
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.actor import ActorOptions
from cellray.model.object import ObjectValue, ValueKind, decode_failure
from cellray.model.task import TaskSpec, TaskTemplate, make_resources, make_template

from tests.unit.core.kit import DRIVER, JOB, ROOT, SHELL, VALUE, F, Node, assigned, child, result

CLASS = FunctionHash(b"c" * 16)


def creation(name: str = "", cpus: float = 0, **options: int | bool) -> TaskTemplate:
    actor = ActorOptions("C", name=name, namespace="ns", **options)  # type: ignore[arg-type]
    return make_template(CLASS, "C.__init__", make_resources({"CPU": cpus}), max_retries=0, actor=actor)


def method(retries: int = 0) -> TaskTemplate:
    return make_template(CLASS, "C.m", (), max_retries=retries, method="m")


class ActorNode(Node):
    """A node whose driver creates actors and calls them; task indices are counted here."""

    def __init__(self, cpus: int = 2) -> None:
        super().__init__(cpus)
        self.next = count(0)
        self.last_worker = 1 + cpus

    def create(self, template: TaskTemplate, dependencies: tuple[ObjectId, ...] = ()) -> ActorId:
        self.register(template)
        index = next(self.next)
        self.submit(index, template=template, dependencies=dependencies)
        return ActorId(child(index))

    def call(
        self, actor: ActorId, template: TaskTemplate | None = None, dependencies: tuple[ObjectId, ...] = ()
    ) -> TaskId:
        template = template or method()
        self.register(template)
        index = next(self.next)
        spec = TaskSpec(index, template.template_id, b"", dependencies, (actor_object_id(actor),))
        self.tell(f.TasksSubmitted(ROOT, self.at, [spec]))
        return child(index)

    def worker_of(self, actor: ActorId) -> ClientId:
        worker = self.core._actors.known[actor].worker
        assert worker is not None
        return worker.client_id

    def refill(self) -> None:
        self.tick(self.at + 0.01)
        while self.core._workers.starting:
            self.last_worker += 1
            self.add_worker(self.last_worker)

    def state(self, actor: ActorId) -> int:
        return self.core._actors.known[actor].state


def test_an_actor_that_does_not_end_when_it_is_told_to_is_killed() -> None:
    node = ActorNode()
    actor = node.create(creation())
    worker = node.worker_of(actor)
    node.finish(actor, worker)
    node.tell(f.ObjectsReleased([actor_object_id(actor)]))
    assert node.core.wants_ticks
    grace_s = Config().actor_exit_grace_s
    assert not [each for each in node.tick(grace_s - 0.1) if isinstance(each, c.KillWorker)]
    (kill,) = [each for each in node.tick(grace_s + 0.1) if isinstance(each, c.KillWorker)]
    assert kill.worker_id == worker
    assert not [each for each in node.tick(grace_s + 1) if isinstance(each, c.KillWorker)]


def failure_of(commands: list[c.Command], object_id: ObjectId) -> str:
    for command in commands:
        if isinstance(command, c.Send) and isinstance(command.command, c.ObjectsReady):
            for found, value in command.command.objects:
                if found == object_id:
                    return decode_failure(value.data).kind
    raise AssertionError(f"{object_id.hex()} was not delivered")


def test_only_the_moves_of_the_table_are_made() -> None:
    node = ActorNode()
    actor = node.core._actors.known[node.create(creation())]
    assert actor.state == PENDING
    with pytest.raises(InternalError, match="PENDING -> RESTARTING is no move"):
        actor.move(RESTARTING)


def test_actors_without_resources_are_not_limited_by_cpus() -> None:
    node = ActorNode(cpus=1)
    actors = [node.create(creation(max_restarts=index)) for index in range(4)]
    node.refill()
    node.refill()
    for actor in actors:
        node.finish(actor, node.worker_of(actor))
        assert node.state(actor) == ALIVE
    assert assigned(node.submit(100)), "the pool has a worker left for tasks"


def test_tasks_go_on_while_an_actor_waits_for_what_another_one_holds() -> None:
    node = ActorNode(cpus=2)
    first = node.create(creation(cpus=1))
    node.finish(first, node.worker_of(first))
    node.create(creation(cpus=2))
    node.refill()
    node.tick(10.0)  # longer than it takes until resources are kept for whoever starves
    assert assigned(node.submit(100)), "one CPU is free, and waiting for the actor's does not help"
    told = [each.command for at in (11.0, 12.0) for each in node.tick(at) if isinstance(each, c.Send)]
    (warning,) = [each.message for each in told if isinstance(each, c.Warn)]
    assert warning.startswith("C.__init__ waits for 2 CPU, which actors hold.")
    node.tell(f.ObjectsReleased([actor_object_id(first)]))


def test_a_blocked_actor_lends_its_resources_and_keeps_its_calls() -> None:
    node = ActorNode(cpus=1)
    actor = node.create(creation(cpus=1))
    worker = node.worker_of(actor)
    node.finish(actor, worker)
    calls = [node.call(actor) for _ in range(3)]
    node.refill()
    commands = node.tell(f.WorkerBlocked(worker, 0.0), source=worker)
    assert not any(isinstance(each, c.Send) and isinstance(each.command, c.ReturnTasks) for each in commands)
    assert assigned(node.submit(100, parent=calls[0], source=worker))
    node.tell(f.WorkerUnblocked(worker, 0.0), source=worker)
    for call in calls:
        node.finish(call, worker)


def test_a_cancelled_call_does_not_hold_up_those_behind_it() -> None:
    node = ActorNode()
    actor = node.create(creation())
    worker = node.worker_of(actor)
    node.finish(actor, worker)
    node.submit(500, 501, 502)
    waits = node.call(actor, dependencies=(result(child(502)),))
    behind = node.call(actor)
    commands = node.tell(f.CancelRequested([waits], 0.0))
    assert assigned(commands) == [(worker, [behind])]


def test_a_process_is_not_killed_for_a_call_that_does_not_end() -> None:
    node = ActorNode()
    actor = node.create(creation())
    worker = node.worker_of(actor)
    node.finish(actor, worker)
    call = node.call(actor)
    commands = node.tell(f.CancelRequested([call], 0.0, force=True))
    assert [each.command for each in commands if isinstance(each, c.Send)] == [c.InterruptTask(call)]
    assert not any(isinstance(each, c.KillWorker) for each in node.tick(100.0))


def test_a_call_of_an_actor_that_is_not_known_fails() -> None:
    node = ActorNode()
    template = method()
    node.register(template)
    spec = TaskSpec(7, template.template_id, b"", (), (actor_object_id(ActorId(TaskId(b"?" * 16))),))
    commands = node.tell(f.TasksSubmitted(ROOT, 0.0, [spec]))
    assert failure_of(commands, result(child(7))) == "actor_died"


def test_an_actor_that_is_killed_before_it_began_leaves_nothing() -> None:
    node = ActorNode(cpus=1)
    busy = node.create(creation(cpus=1))
    waiting = node.create(creation(name="w", cpus=1))
    call = node.call(waiting)
    commands = node.tell(f.ActorKillRequested(waiting, 0.0))
    assert failure_of(commands, result(call)) == "actor_died"
    assert node.state(waiting) == DEAD
    assert not len(node.core._actors.names)
    node.tell(f.ActorKillRequested(busy, 0.0))
    node.tell(f.JobEnded(DRIVER, JOB, 0.0, ""), source=SHELL)
    node.tell(f.WorkerExited(ClientId(2), 0.0, 0, 9), source=SHELL)
    check_drained(node.core)


def test_the_constructor_runs_again_with_arguments_that_nobody_else_holds() -> None:
    node = ActorNode()
    node.submit(500)
    argument = result(child(500))
    actor = node.create(creation(max_restarts=1), dependencies=(argument,))
    node.finish(child(500), ClientId(3))
    node.finish(actor, node.worker_of(actor))
    node.tell(f.ObjectsReleased([argument]))
    node.refill()
    commands = node.tell(f.WorkerExited(node.worker_of(actor), 0.0, 0, 11), source=SHELL)
    (task,) = [task for each in commands if isinstance(each, c.Send) and isinstance(each.command, c.TasksAssigned)
               for task in each.command.tasks]  # fmt: skip
    assert (task.task_id, task.attempt, task.values) == (actor, 1, (VALUE,))


@pytest.mark.parametrize("seed", range(150))
def test_random_histories_keep_the_invariants(seed: int) -> None:
    random = Random(seed)
    node = ActorNode(cpus=random.randint(1, 3))
    node.next = count(1000)
    plain, actors, held = count(0), [], {}
    classes = [creation(max_restarts=random.choice((-1, 0, 1, 2)), cpus=random.choice((0, 0, 1)),
                        detached=random.random() < 0.2, max_concurrency=random.choice((1, 1, 3)))
               for _ in range(3)]  # fmt: skip
    for _ in range(120):
        node.at += 0.01
        workers = list(node.core._workers.workers.values())
        action = random.random()
        inputs = tuple(random.sample(list(held), 1)) if held and random.random() < 0.3 else ()
        if action < 0.08:
            actor = node.create(random.choice(classes), inputs)
            actors.append(actor)
            held[actor_object_id(actor)] = None
        elif action < 0.35 and actors:
            held[result(node.call(random.choice(actors), method(random.choice((0, 2))), inputs))] = None
        elif action < 0.42:
            index = next(plain)
            node.submit(index, dependencies=inputs, template=F)
            held[result(child(index))] = None
        elif action < 0.75:
            for worker in workers:
                if worker.queue and not worker.ending and random.random() < 0.7:
                    slots = worker.actor.options.max_concurrency if worker.actor is not None else 1
                    running = random.choice(list(worker.queue)[:slots])
                    task = running.task_id
                    if running.cancel is not None and random.random() < 0.5:
                        node.tell(f.TaskCancelled(task, node.at), source=worker.client_id)
                    elif random.random() < 0.9:
                        node.finish(task, worker.client_id)
                    else:
                        error = ObjectValue(2, b"e")
                        node.tell(f.TaskFailed(task, 0.0, 0.0, error, "E"), source=worker.client_id)
        elif action < 0.82 and workers:
            node.tell(f.WorkerExited(random.choice(workers).client_id, node.at, 0, 9), source=SHELL)
        elif action < 0.86 and actors:
            node.tell(f.ActorKillRequested(random.choice(actors), node.at, random.random() < 0.5))
        elif action < 0.9 and held:
            released = random.choice(list(held))
            del held[released]
            node.tell(f.ObjectsReleased([released]))
        elif action < 0.93 and actors:
            some = random.choice(list(node.core._tasks.tasks) or actors)
            node.tell(f.CancelRequested([some], node.at, force=random.random() < 0.5))
        else:
            node.refill()
    node.tell(f.JobEnded(DRIVER, JOB, node.at, ""), source=SHELL)
    for actor in actors:
        node.tell(f.ActorKillRequested(actor, node.at), source=SHELL)
    for worker in list(node.core._workers.workers.values()):
        node.tell(f.WorkerExited(worker.client_id, node.at, 0, 9), source=SHELL)
    check_drained(node.core)


def test_calls_do_not_overtake_those_that_are_on_their_way_back() -> None:
    node = ActorNode()
    actor = node.create(creation())
    worker = node.worker_of(actor)
    node.finish(actor, worker)
    first, second = node.call(actor), node.call(actor)
    node.core._dispatcher.reclaim(node.core._actors.known[actor].worker)  # type: ignore[arg-type]
    third = node.call(actor)
    commands = node.tell(f.TasksReturned(worker, node.at, [second]), source=worker)
    assert assigned(commands) == [(worker, [second, third])]
    node.core._dispatcher.reclaim(node.core._actors.known[actor].worker)  # type: ignore[arg-type]
    fourth = node.call(actor)
    commands = node.tell(f.TasksReturned(worker, node.at, []), source=worker)
    assert assigned(commands) == [(worker, [fourth])], "nothing came back: nobody else would send it"
    assert node.state(actor) == ALIVE
    assert first != fourth


def test_what_a_killed_actor_reads_stays_until_its_process_has_ended() -> None:
    node = ActorNode()
    actor = node.create(creation())
    worker = node.worker_of(actor)
    node.finish(actor, worker)
    array = put_object_id(ROOT, 0)
    node.tell(f.SpaceRequested(array, 1000))
    node.tell(f.ObjectSealed(array, 0.0, ObjectValue(ValueKind.SHARED, b"", 0, 1000)))
    node.call(actor, dependencies=(array,))
    node.tell(f.ObjectsReleased([array]))
    node.tell(f.ActorKillRequested(actor, node.at))
    assert node.core._objects.arena.used_bytes, "the process reads it still"
    node.tell(f.WorkerExited(worker, node.at, 0, 9, ""), source=SHELL)
    assert not node.core._objects.arena.used_bytes


def test_with_an_actor_goes_one_that_only_its_constructor_was_given() -> None:
    node = ActorNode()
    inner = node.create(creation())
    node.finish(inner, node.worker_of(inner))
    template = creation(max_restarts=1)
    node.register(template)
    index = next(node.next)
    spec = TaskSpec(index, template.template_id, b"", (), (actor_object_id(inner),))
    node.tell(f.TasksSubmitted(ROOT, node.at, [spec]))
    outer = ActorId(child(index))
    node.finish(outer, node.worker_of(outer))
    node.tell(f.ObjectsReleased([actor_object_id(inner)]))
    assert node.state(inner) == ALIVE
    node.tell(f.ObjectsReleased([actor_object_id(outer)]))
    assert not node.core._actors.known
