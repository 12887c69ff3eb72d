"""`why`: for each state of a task, an object and an actor what is answered, and which chain it goes down."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from cellray.ids import (
    ClientId,
    FunctionHash,
    GroupId,
    JobId,
    NodeId,
    TaskId,
    actor_object_id,
    child_task_id,
    children_prefix,
    put_object_id,
    return_object_id,
)
from cellray.model import fact as told
from cellray.model.fact import Fact
from cellray.model.object import Failure, encode_failure
from cellray.model.placement import GroupOptions, Placement
from cellray.model.task import TaskSpec, make_template
from cellray.observe.fold import LogFold
from cellray.observe.ledger import FoldLimits
from cellray.observe.subjects import NodeKey, knows_or_has_actor
from cellray.observe.why.answer import Why
from cellray.observe.why.explain import explain

from tests.unit.observe.story import LOST, NODE, Story, template
from tests.unit.observe.test_actor_calls import ADD, ActorStory, task

LOAD, TRAIN = template("load", None), template("train", None)
DRIVER = 1
BIG = make_template(FunctionHash(b"big"), "big", (("CPU", 40_000),))
GROUP = make_template(FunctionHash(b""), "group", (), group=GroupOptions(bundles=((("CPU", 30_000),),)))
DEPENDENCY_FAILED = encode_failure(Failure("dependency", "no"))


class Node(Story):
    """A node with four CPUs and two workers."""

    def __init__(self) -> None:
        super().__init__()
        self.tell(told.NodeJoined, node_id=NodeId(NODE), pid=1, resources=(("CPU", 40_000),), object_store_bytes=0)
        for worker in (10, 11):
            self.tell(told.WorkerStarted, worker_id=ClientId(worker), pid=4700 + worker)


class Asked(NamedTuple):
    """What was told, and about what is asked."""

    facts: list[Fact]
    key: NodeKey


def waiting_for_a_running_argument() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    [train] = story.submit(TRAIN, dependencies=(return_object_id(load, 0),))
    story.dispatch(10, [load])
    return Asked(story.facts, train)


def waiting_for_one_of_two() -> Asked:
    story = Node()
    done, slow = story.submit(LOAD, 2)
    inputs = (return_object_id(done, 0), return_object_id(slow, 0))
    [train] = story.submit(TRAIN, dependencies=inputs)
    [last] = story.submit(template("score", None), dependencies=(return_object_id(train, 0),))
    story.dispatch(10, [done, slow])
    story.finish(done)
    return Asked(story.facts, return_object_id(last, 0))


def waiting_for_a_put() -> Asked:
    story = Node()
    [maker] = story.submit(LOAD)
    story.dispatch(10, [maker])
    [train] = story.submit(TRAIN, dependencies=(put_object_id(maker, 0),))
    return Asked(story.facts, train)


def waiting_for_the_unknown() -> Asked:
    story = Node()
    [train] = story.submit(TRAIN, dependencies=(return_object_id(TaskId(b"?" * 16), 0),))
    return Asked(story.facts, train)


def ready_for_a_worker() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    return Asked(story.facts, load)


def ready_for_resources() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    story.dispatch(10, [load])
    [big] = story.submit(BIG)
    return Asked(story.facts, big)


def ready_while_a_group_holds_what_it_asks_for() -> Asked:
    story = Node()
    [group] = story.submit(GROUP)
    story.facts.append(told.TaskFinished(group, 0.0, story.now, ()))
    [big] = story.submit(BIG)
    return Asked(story.facts, big)


def ready_in_a_full_group() -> Asked:
    story = Node()
    [group] = story.submit(GROUP)
    story.facts.append(told.TaskFinished(group, 0.0, story.now, ()))
    placement = Placement(GroupId(group), 0)
    inside = make_template(FunctionHash(b"in"), "inside", (("CPU", 20_000),), placement=placement)
    first, second = story.submit(inside, 2)
    story.dispatch(10, [first])
    return Asked(story.facts, second)


def ready_when_the_group_has_gone() -> Asked:
    story = Node()
    [group] = story.submit(GROUP)
    story.facts.append(told.TaskFinished(group, 0.0, story.now, ()))
    story.tell(told.GroupRemoved, group_id=GroupId(group))
    [big] = story.submit(BIG)
    return Asked(story.facts, big)


def ready_with_an_argument_on_disk() -> Asked:
    story = Node()
    made = story.put()
    story.tell(told.ObjectSpilled, object_id=made, spill_id=1, object_bytes=5_000_000)
    [train] = story.submit(TRAIN, dependencies=(made,))
    return Asked(story.facts, train)


def ready_with_a_lost_argument() -> Asked:
    story = Node()
    made = story.put()
    story.tell(told.ObjectLost, object_id=made, reason="a test dropped it")
    [train] = story.submit(TRAIN, dependencies=(made,))
    return Asked(story.facts, train)


def ready_behind_another() -> Asked:
    story = Node()
    first, second = story.submit(LOAD, 2)
    story.dispatch(10, [first, second])
    return Asked(story.facts, second)


def moved_by_a_worker() -> Asked:
    story = Node()
    first, second = story.submit(LOAD, 2)
    story.dispatch(10, [first, second])
    story.give_back(10, [second])
    story.dispatch(11, [second])
    return Asked(story.facts, second)


def running() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    story.dispatch(10, [load])
    return Asked(story.facts, load)


def running_again() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    story.dispatch(10, [load])
    story.lose_worker(10)
    story.retry(load, 1)
    story.dispatch(11, [load])
    return Asked(story.facts, load)


def blocked_in_get() -> Asked:
    story = Node()
    [parent] = story.submit(TRAIN)
    story.dispatch(10, [parent])
    [child] = story.submit(LOAD, parent=parent)
    story.tell(told.WorkerBlocked, worker_id=ClientId(10))
    story.dispatch(11, [child])
    return Asked(story.facts, parent)


def blocked_in_get_of_others() -> Asked:
    story = Node()
    [parent] = story.submit(TRAIN)
    story.dispatch(10, [parent])
    story.tell(told.WorkerBlocked, worker_id=ClientId(10))
    return Asked(story.facts, parent)


def retried_and_waiting() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    story.dispatch(10, [load])
    story.retry(load, 1)
    return Asked(story.facts, load)


def pausing_before_another_attempt() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    for attempt in (1, 2):
        story.dispatch(10, [load])
        story.retry(load, attempt)
    return Asked(story.facts, load)


def finished() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    story.dispatch(10, [load])
    story.finish(load, 0.25)
    return Asked(story.facts, load)


def failed() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    story.dispatch(10, [load])
    story.fail(load)
    return Asked(story.facts, load)


def failed_by_its_argument() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    [train] = story.submit(TRAIN, dependencies=(return_object_id(load, 0),))
    story.dispatch(10, [load])
    story.fail(load)
    story.facts.append(told.TaskFailed(train, 0.0, story.now, DEPENDENCY_FAILED, "a dependency failed"))
    return Asked(story.facts, train)


def lost() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    story.facts.append(told.TaskFailed(load, 0.0, story.now, LOST, "its argument is not on this node"))
    return Asked(story.facts, load)


def cancelled_by_the_driver() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    story.tell(told.CancelRequested, task_ids=[load], reason="cellray.cancel()")
    story.cancel(load)
    return Asked(story.facts, load)


def cancelled_with_its_parent() -> Asked:
    story = Node()
    [parent] = story.submit(TRAIN)
    story.dispatch(10, [parent])
    [child] = story.submit(LOAD, parent=parent)
    story.tell(told.CancelRequested, task_ids=[parent], reason="cellray.cancel()")
    story.cancel(child)
    return Asked(story.facts, child)


def cancelled_with_its_driver() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    story.tell(told.JobEnded, client_id=ClientId(1), job_id=JobId(b"job0"), reason="closed")
    story.tell(told.TaskCancelled, task_id=load, reason="its driver has left")
    return Asked(story.facts, load)


def cancelled_with_the_session() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    story.tell(told.SessionEnded, reason="shutdown")
    return Asked(story.facts, load)


def object_put() -> Asked:
    story = Node()
    return Asked(story.facts, story.put())


def object_freed() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    story.dispatch(10, [load])
    story.finish(load)
    story.tell(told.ObjectsFreed, object_ids=[return_object_id(load, 0)])
    return Asked(story.facts, return_object_id(load, 0))


def object_spilled() -> Asked:
    story = Node()
    made = story.put()
    story.tell(told.ObjectSpilled, object_id=made, spill_id=1, object_bytes=5_000_000)
    return Asked(story.facts, made)


def object_lost() -> Asked:
    story = object_spilled()
    made = story.key
    facts = [*story.facts, told.SpillFailed(made, 1, 2000.0, "no such file", True)]  # type: ignore[arg-type]
    return Asked(facts, made)


def object_made_again() -> Asked:
    story = Node()
    [load] = story.submit(LOAD)
    made = return_object_id(load, 0)
    story.dispatch(10, [load])
    story.finish(load)
    story.tell(told.ObjectLost, object_id=made, reason="its worker's memory went")
    story.retry(load, 1)
    story.dispatch(11, [load])
    story.finish(load)
    story.tell(told.ObjectReconstructed, object_id=made, object_bytes=5)
    return Asked(story.facts, made)


def object_beyond_recovery() -> Asked:
    story = Node()
    made = story.put()
    story.tell(told.ObjectLost, object_id=made, reason="a test dropped it")
    story.tell(told.ReconstructionFailed, object_id=made, reason="its owner has ended")
    return Asked(story.facts, made)


def call_of_a_pending_actor() -> Asked:
    story = ActorStory(1)
    story.send(0)
    return Asked(story.facts, task(1))


def alive(calls: int) -> ActorStory:
    story = ActorStory(calls)
    story.send(0)
    story.done(0)
    story.tell(told.ActorStarted, actor_id=story.actor, worker_id=ClientId(9))
    return story


def call_of_a_busy_actor() -> Asked:
    story = alive(2)
    story.send(1, 2)
    return Asked(story.facts, task(2))


def call_held_up_by_an_earlier_one() -> Asked:
    return Asked(alive(2).facts, task(2))


def call_of_a_restarting_actor() -> Asked:
    story = alive(1)
    story.tell(told.ActorDied, actor_id=story.actor, reason="its process 9 was killed", will_restart=True)
    story.tell(told.TaskRetried, task_id=task(0), attempt=1, reason="its process 9 was killed")
    return Asked(story.facts, task(1))


def actor_idle() -> Asked:
    return Asked(alive(1).facts, task(0))


def restarted(*, restored: bool) -> Asked:
    story = alive(1)
    story.tell(told.ActorDied, actor_id=story.actor, reason="its process 9 was killed", will_restart=True)
    story.tell(told.TaskRetried, task_id=task(0), attempt=1, reason="its process 9 was killed")
    story.send(0)
    story.done(0)
    if restored:
        story.tell(told.ActorRestored, actor_id=story.actor, calls=7, replayed=[task(1), task(2)])
    story.tell(told.ActorStarted, actor_id=story.actor, worker_id=ClientId(9), restarts=1)
    return Asked(story.facts, task(0))


def actor_restarted() -> Asked:
    return restarted(restored=False)


def actor_restored() -> Asked:
    return restarted(restored=True)


def actor_busy() -> Asked:
    story = alive(2)
    story.send(1, 2)
    return Asked(story.facts, task(0))


def actor_dead() -> Asked:
    story = alive(1)
    story.tell(told.ActorKillRequested, actor_id=story.actor)
    story.tell(told.ActorDied, actor_id=story.actor, reason="it was killed by cellray.kill()")
    return Asked(story.facts, task(0))


class Case(NamedTuple):
    """What is asked, the states down the chain, what the first link waits for, and words of the answer."""

    asked: Callable[[], Asked]
    states: list[str]
    waits_for: str | None
    words: list[str]


CASES = [
    Case(waiting_for_a_running_argument, ["waiting", "running"], "argument", ["for its argument, which load"]),
    Case(waiting_for_one_of_two, ["waiting", "waiting", "running"], "argument", ["1 of its 2 arguments"]),
    Case(waiting_for_a_put, ["waiting", "running"], "argument", ["is to put"]),
    Case(waiting_for_the_unknown, ["waiting"], "argument", ["the log does not know who makes"]),
    Case(ready_for_a_worker, ["ready"], "worker", ["for a worker process on node n1", "1 CPU"]),
    Case(ready_for_resources, ["ready", "running"], "resources", ["4 CPU, and 3 CPU of 4 CPU is free; load"]),
    Case(ready_while_a_group_holds_what_it_asks_for, ["ready"], "resources", ["placement group group"]),
    Case(ready_in_a_full_group, ["ready", "running"], "resources", ["1 CPU of 3 CPU of its placement group"]),
    Case(ready_when_the_group_has_gone, ["ready"], "worker", ["4 CPU"]),
    Case(
        ready_with_an_argument_on_disk, ["ready", "spilled"], "space", ["an argument that is on disk and is read back"]
    ),
    Case(ready_with_a_lost_argument, ["ready", "lost"], "space", ["was lost and is made again", "a test dropped it"]),
    Case(ready_behind_another, ["ready", "running"], "turn", ["with worker n1/10 (process 4710), behind load"]),
    Case(moved_by_a_worker, ["running"], None, ["because worker n1/10 (process 4710) gave it back"]),
    Case(running, ["running"], None, ["has been running for", "worker n1/10 (process 4710)"]),
    Case(
        running_again,
        ["running"],
        None,
        ["attempt 2, because the one on worker n1/10"],
    ),
    Case(blocked_in_get, ["running", "running"], "child", ["waits in get or wait; of what it submitted, load"]),
    Case(blocked_in_get_of_others, ["running"], None, ["what it did not submit itself"]),
    Case(retried_and_waiting, ["retried"], "worker", ["attempt 2", "worker lost"]),
    Case(pausing_before_another_attempt, ["retried"], "pause", ["pauses before each", "attempt 3"]),
    Case(finished, ["finished"], None, ["ago in 250 ms on worker n1/10"]),
    Case(failed, ["failed"], None, ["ValueError: no"]),
    Case(
        failed_by_its_argument,
        ["failed", "failed"],
        None,
        ["because of its argument, the result of load"],
    ),
    Case(lost, ["lost"], None, ["is lost", "its argument is not on this node"]),
    Case(cancelled_by_the_driver, ["cancelled"], None, ["the driver (process 2) asked for it, by cellray.cancel()"]),
    Case(cancelled_with_its_parent, ["cancelled"], None, ["below which it stands, was cancelled", "the driver"]),
    Case(cancelled_with_its_driver, ["cancelled"], None, ["its driver has left"]),
    Case(cancelled_with_the_session, ["cancelled"], None, ["session ended: shutdown"]),
    Case(object_put, ["inline"], None, ["What the driver put is there: 3 B"]),
    Case(object_freed, ["freed"], None, ["was freed", "finished"]),
    Case(object_spilled, ["spilled"], None, ["is on disk"]),
    Case(object_lost, ["lost"], None, ["is lost; its value was lost: no such file"]),
    Case(
        object_made_again, ["shared"], None, ["its task ran again", "attempt 2", "was lost: its worker's memory went"]
    ),
    Case(object_beyond_recovery, ["lost"], None, ["cannot be made again: its owner has ended", "a test dropped it"]),
    Case(call_of_a_pending_actor, ["ready", "pending", "running"], "actor", ["Counter", "not been created yet"]),
    Case(call_of_a_busy_actor, ["ready", "running"], "earlier call", ["with its actor, behind plus"]),
    Case(call_held_up_by_an_earlier_one, ["ready", "ready", "alive"], "earlier call", ["calls of one caller"]),
    Case(call_of_a_restarting_actor, ["ready", "restarting", "retried"], "actor", ["its process 9 was killed"]),
    Case(actor_idle, ["alive"], None, ["Actor Counter", "waits for calls"]),
    Case(actor_restarted, ["alive"], None, ["restarted once, lastly because its process 9", "its state began anew"]),
    Case(actor_restored, ["alive"], None, ["its state was rebuilt as it was after 7 calls, 2 of them run again"]),
    Case(actor_busy, ["alive", "running"], None, ["is busy with plus", "1 more wait behind"]),
    Case(actor_dead, ["dead"], None, ["killed by cellray.kill(), asked for by the driver (process 2)"]),
]


def answer(asked: Asked) -> Why:
    fold = LogFold()
    for fact in asked.facts:
        asker = isinstance(fact, told.CancelRequested | told.ActorKillRequested)
        fold.apply([fact], DRIVER if asker else 0, NODE)
    return explain(fold, asked.key, fold.last_at + 1.0)


@pytest.mark.parametrize("case", CASES, ids=[case.asked.__name__ for case in CASES])
def test_every_state_has_its_answer(case: Case) -> None:
    found = answer(case.asked())
    assert [link.state for link in found.chain] == case.states
    assert found.chain[0].waits_for == case.waits_for
    for words in case.words:
        assert words in str(found)
    html = found._repr_html_()
    assert html.count("<svg") == len(found.chain)
    assert "None" not in str(found)


def test_the_answer_is_data_too() -> None:
    found = answer(ready_for_resources())
    first = found.chain[0]
    assert (first.asked, first.free) == ({"CPU": 4.0}, {"CPU": 3.0})
    assert first.holders == [found.root.id]
    assert found.to_dict()["chain"][0]["waits_for"] == "resources"  # type: ignore[index]
    assert found.since == first.since == pytest.approx(found.at - 1.0)


def test_what_was_before_is_told_in_order() -> None:
    found = answer(running_again())
    assert [(event.kind, event.attempt) for event in found.before] == [("retried", 1)]
    assert found.before[0].text == "attempt 1 on worker n1/10 (process 4710) ended: worker lost"


def test_a_long_chain_is_told_by_its_ends() -> None:
    story = Node()
    [made] = story.submit(LOAD)
    for _ in range(20):
        [made] = story.submit(TRAIN, dependencies=(return_object_id(made, 0),))
    found = answer(Asked(story.facts, made))
    assert len(found.chain) == 21
    assert "(16 more in between)" in str(found)
    assert found.root.waits_for == "worker"


def test_who_waits_in_get_has_lent_its_cpus_out() -> None:
    story = Node()
    [parent] = story.submit(TRAIN)
    story.dispatch(10, [parent])
    [child] = story.submit(BIG, parent=parent)
    story.tell(told.WorkerBlocked, worker_id=ClientId(10))
    assert answer(Asked(story.facts, child)).chain[0].waits_for == "worker"


def test_those_that_wait_for_each_other_are_told_so() -> None:
    story = alive(1)
    story.send(1)
    story.tell(told.WorkerBlocked, worker_id=ClientId(9))
    prefix = children_prefix(task(1))
    spec = TaskSpec(0, ADD.template_id, b"", (), (actor_object_id(story.actor),))
    story.tell(told.TasksSubmitted, parent_id=task(1), tasks=[spec])
    inner = child_task_id(prefix, 0)
    story.tell(told.TasksDispatched, worker_id=ClientId(9), task_ids=[inner])
    found = answer(Asked(story.facts, task(1)))
    assert [link.id for link in found.chain] == [task(1).hex(), inner.hex()]
    assert found.is_circle
    assert "wait for each other" in str(found)
    assert "wait for each other" in found._repr_html_()


def test_an_actor_is_explained_also_when_its_creation_is_kept_as_a_count_only() -> None:
    story = alive(1)
    for restart in range(1, 41):
        reason = f"its process {restart} was killed"
        story.tell(told.ActorDied, actor_id=story.actor, reason=reason, will_restart=True)
        story.tell(told.ActorStarted, actor_id=story.actor, worker_id=ClientId(9), restarts=restart)
        story.tell(told.ActorRestored, actor_id=story.actor, calls=restart, replayed=[])
    fold = LogFold(FoldLimits(tasks_max=1))
    fold.apply(story.facts, 0, NODE)
    assert task(0) not in fold.tasks
    assert knows_or_has_actor(fold, task(0))
    assert "its process 40 was killed" in str(explain(fold, task(0), fold.last_at))
    assert "rebuilt as it was after 40 calls" in str(explain(fold, task(0), fold.last_at)), "the latest is what counts"
    fold.apply([told.ActorDied(story.actor, story.now, "its process 41 was killed", True)], 0, NODE)
    found = explain(fold, task(0), fold.last_at)
    assert [link.state for link in found.chain] == ["restarting"]
