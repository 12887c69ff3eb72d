"""The fold: every rule of its docstring, and that batches make no difference."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from cellray.clock import ManualClock
from cellray.ids import ClientId, FunctionHash, GroupId, JobId, SessionId, TaskId, put_object_id, return_object_id
from cellray.model import fact as told
from cellray.model.fact import Fact, decode_facts, encode_facts
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.placement import GroupOptions
from cellray.model.task import TaskSpec, make_template
from cellray.observe.fold import LogFold
from cellray.observe.ledger import FoldLimits
from cellray.observe.lineage import Lineage
from cellray.observe.records import ENDED, RUNNING
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.observe.story import LOST, NODE, ROOT, VALUE, Story, stories, template

LOAD = template("load")
TRAIN = template("train", num_returns=2)


def fold_of(facts: list[Fact], limits: FoldLimits | None = None) -> LogFold:
    fold = LogFold(limits)
    fold.apply(facts, 0, NODE)
    return fold


def states(fold: LogFold, ids: list[TaskId]) -> list[str]:
    return [fold.tasks[task_id].state_name for task_id in ids]


def image(fold: LogFold) -> Any:
    """Everything a fold says, to be compared."""
    groups = [
        (g.function, g.cell, g.counts, g.folded, g.retried, g.busy_s, list(g.durations_s), g.ends_by_second)
        for g in fold.groups
    ]
    examples = [([r.task_id for r in g.latest], [(s, r.task_id) for s, _, r in g.slowest]) for g in fold.groups]
    tasks = [(r.task_id, r.state, r.attempt, r.started_at, r.finished_at, r.missing) for r in fold.tasks.values()]
    workers = [(w.key, [r.task_id for r in w.queue], w.exited_at) for w in fold.workers.values()]
    counts = (fold.facts, fold.unknown, fold.folded, fold.submitted, fold.last_at, fold.totals())
    return (
        groups,
        examples,
        tasks,
        workers,
        counts,
        fold.ledger.group_edges,
        Lineage(fold, clock=ManualClock()).to_json(),
    )


def check(fold: LogFold) -> None:
    """What always holds."""
    assert sum(fold.totals().values()) == fold.submitted == len(fold.tasks) + fold.folded
    running = [record for record in fold.tasks.values() if record.state == RUNNING]
    heads = [worker.queue[0] for worker in fold.workers.values() if worker.queue]
    assert set(running) == set(heads)
    for worker in fold.workers.values():
        assert all(record.queued and record.worker == worker.key for record in worker.queue)
    for group in fold.groups:
        assert min(group.counts) >= 0
    kept = [0] * len(fold.groups)
    for record in fold.tasks.values():
        kept[record.group] += 1
        assert (record.state_name == "waiting") <= (record.missing > 0)
    assert kept == [group.total - group.folded for group in fold.groups]


@given(stories(), st.lists(st.integers(0, 200), max_size=6), st.integers(1, 8))
def test_batches_make_no_difference(story: Story, cuts: list[int], tasks_max: int) -> None:
    limits = FoldLimits(tasks_max=tasks_max * 4, puts_max=3, workers_max=1)
    whole, cut = fold_of(story.facts, limits), LogFold(limits)
    edges = [0, *sorted(min(each, len(story.facts)) for each in cuts), len(story.facts)]
    for start, end in pairwise(edges):
        cut.apply(decode_facts(encode_facts(story.facts[start:end])), 0, NODE)
        check(cut)
        cut.take_changes()
    assert image(whole) == image(cut)


@given(stories())
def test_what_ended_stays_ended_and_nothing_runs_after_the_end(story: Story) -> None:
    fold = fold_of(story.facts)
    check(fold)
    if isinstance(story.facts[-1] if story.facts else None, told.SessionEnded):
        assert all(record.state in ENDED for record in fold.tasks.values())
        assert not any(worker.queue for worker in fold.workers.values())


def test_a_task_waits_until_its_input_exists() -> None:
    story = Story()
    [first] = story.submit(LOAD)
    [second] = story.submit(LOAD, dependencies=(return_object_id(first, 0),))
    fold = fold_of(story.facts)
    assert states(fold, [first, second]) == ["ready", "waiting"]
    story.dispatch(10, [first])
    story.finish(first)
    assert states(fold_of(story.facts), [first, second]) == ["finished", "ready"]


def test_an_input_put_later_is_waited_for_while_the_log_is_complete() -> None:
    later = put_object_id(ROOT, 0)
    story = Story()
    [task] = story.submit(LOAD, dependencies=(later,))
    assert states(fold_of(story.facts), [task]) == ["waiting"]
    story.put()
    assert states(fold_of(story.facts), [task]) == ["ready"]
    partial = Story(started=False)
    [task] = partial.submit(LOAD, dependencies=(later,))
    assert states(fold_of(partial.facts), [task]) == ["ready"]


def test_the_head_of_a_queue_runs_and_the_next_follows() -> None:
    story = Story()
    ids = story.submit(LOAD, 3)
    story.dispatch(10, ids)
    fold = fold_of(story.facts)
    assert states(fold, ids) == ["running", "ready", "ready"]
    story.finish(ids[0], 0.25)
    fold = fold_of(story.facts)
    first, second = fold.tasks[ids[0]], fold.tasks[ids[1]]
    assert first.duration_s == 0.25
    assert second.state == RUNNING
    assert second.started_at == first.finished_at
    assert second.worker == (NODE, 10)


def test_a_worker_that_says_what_it_runs_is_believed() -> None:
    story = Story()
    ids = story.submit(LOAD, 2)
    story.dispatch(10, ids)
    story.tell(told.TaskStarted, task_id=ids[1], worker_id=ClientId(10))
    fold = fold_of(story.facts)
    assert states(fold, ids) == ["ready", "running"]
    check(fold)


def test_returned_tasks_are_ready_again() -> None:
    story = Story()
    ids = story.submit(LOAD, 3)
    story.dispatch(10, ids)
    story.give_back(10, ids[1:])
    fold = fold_of(story.facts)
    assert states(fold, ids) == ["running", "ready", "ready"]
    assert fold.tasks[ids[1]].worker is None
    story.dispatch(11, [ids[2]])
    assert states(fold_of(story.facts), ids) == ["running", "ready", "running"]


def test_a_lost_worker_runs_nothing_and_its_task_is_retried() -> None:
    story = Story()
    ids = story.submit(LOAD, 2)
    story.dispatch(10, ids)
    story.lose_worker(10)
    assert states(fold_of(story.facts), ids) == ["ready", "ready"]
    story.retry(ids[0], 1)
    fold = fold_of(story.facts)
    assert states(fold, ids) == ["retried", "ready"]
    assert (fold.tasks[ids[0]].attempt, fold.tasks[ids[0]].error) == (1, "worker lost")
    story.dispatch(11, [ids[0]])
    story.finish(ids[0])
    fold = fold_of(story.facts)
    assert states(fold, ids) == ["finished", "ready"]
    assert fold.groups[0].retried == 1


def test_a_failure_that_the_core_retries_takes_its_errors_back() -> None:
    story = Story()
    [task] = story.submit(LOAD)
    [dependent] = story.submit(LOAD, dependencies=(return_object_id(task, 0),))
    story.dispatch(10, [task])
    story.fail(task)
    fold = fold_of(story.facts)
    assert states(fold, [task, dependent]) == ["failed", "ready"]
    assert fold.objects[return_object_id(task, 0)].is_error
    story.retry(task, 1)
    fold = fold_of(story.facts)
    assert states(fold, [task, dependent]) == ["retried", "waiting"]
    assert return_object_id(task, 0) not in fold.objects
    story.dispatch(10, [task])
    story.finish(task)
    fold = fold_of(story.facts)
    assert states(fold, [task, dependent]) == ["finished", "ready"]
    assert fold.tasks[task].error == ""


def test_failed_and_lost_and_cancelled_are_told_apart() -> None:
    story = Story()
    ids = story.submit(TRAIN, 3)
    story.dispatch(10, ids)
    story.fail(ids[0])
    story.fail(ids[1], error=LOST)
    story.cancel(ids[2])
    fold = fold_of(story.facts)
    assert states(fold, ids) == ["failed", "lost", "cancelled"]
    assert fold.tasks[ids[0]].error == "ValueError: no"
    assert fold.objects[return_object_id(ids[1], 1)].state == "lost"


def test_a_retry_the_worker_announces_counts_once() -> None:
    story = Story()
    [task] = story.submit(LOAD)
    story.dispatch(10, [task])
    story.fail(task, will_retry=True)
    story.retry(task, 1)
    record = fold_of(story.facts).tasks[task]
    assert (record.state_name, record.attempt) == ("retried", 1)


def test_a_finished_task_can_be_run_again_for_a_lost_result() -> None:
    story = Story()
    [task] = story.submit(LOAD)
    story.dispatch(10, [task])
    story.finish(task)
    story.retry(task, 1)
    assert states(fold_of(story.facts), [task]) == ["retried"]


def test_submitting_and_ending_twice_changes_nothing() -> None:
    story = Story()
    ids = story.submit(LOAD, 2)
    story.dispatch(10, ids)
    story.finish(ids[0])
    fold = fold_of(story.facts)
    before = image(fold)[2], fold.totals(), fold.submitted
    fold.apply([fact for fact in story.facts if isinstance(fact, told.TasksSubmitted)], 0, NODE)
    fold.apply(story.facts[-1:], 0, NODE)
    assert (image(fold)[2], fold.totals(), fold.submitted) == before


def test_the_tasks_of_a_job_that_ended_end_as_the_core_tells() -> None:
    story = Story()
    ids = story.submit(LOAD, 2)
    story.dispatch(10, ids[:1])
    story.tell(told.JobEnded, client_id=ClientId(1), job_id=JobId(b"job0"), reason="closed")
    fold = fold_of(story.facts)
    assert fold.jobs[JobId(b"job0")].end_reason == "closed"
    assert states(fold, ids) == ["running", "ready"], "one is interrupted, the other one cancelled in a moment"
    for task_id in ids:
        story.tell(told.TaskCancelled, task_id=task_id, reason="its driver has left")
    assert states(fold_of(story.facts), ids) == ["cancelled", "cancelled"]


def test_who_does_not_have_a_task_does_not_end_it() -> None:
    story = Story()
    [task] = story.submit(LOAD)
    story.dispatch(10, [task])
    fold = fold_of(story.facts)
    fold.apply([told.TaskFinished(task, 1.0, 2.0, (VALUE,))], 11, NODE)
    assert states(fold, [task]) == ["running"]
    fold.apply([told.TaskFinished(task, 1.0, 2.0, (VALUE,))], 10, NODE)
    assert states(fold, [task]) == ["finished"]


def test_a_task_that_is_submitted_again_runs_again_when_its_results_are_gone() -> None:
    story = Story()
    [task] = story.submit(LOAD)
    story.dispatch(10, [task])
    story.finish(task)
    again = [fact for fact in story.facts if isinstance(fact, told.TasksSubmitted)]
    assert states(fold_of([*story.facts, *again]), [task]) == ["finished"]
    story.tell(told.ObjectsFreed, object_ids=[return_object_id(task, 0)])
    assert states(fold_of([*story.facts, *again]), [task]) == ["retried"]
    recalled = told.ResultRecalled(task, story.now)
    assert states(fold_of([*story.facts, *again, recalled]), [task]) == ["finished"]


def test_a_new_session_ends_what_the_one_before_left() -> None:
    story = Story()
    ids = story.submit(LOAD)
    story.dispatch(10, ids)
    story.tell(told.SessionStarted, session_id=SessionId("s2"))
    assert states(fold_of(story.facts), ids) == ["cancelled"]


def test_facts_about_unknown_tasks_are_counted() -> None:
    story = Story(started=False)
    ghost = TaskId(b"g" * 16)
    story.dispatch(10, [ghost])
    story.finish(ghost)
    story.tell(told.TaskOutput, task_id=ghost, stream="stderr", text="x")
    fold = fold_of(story.facts)
    assert (fold.unknown, fold.submitted, fold.output.stderr_bytes) == (3, 0, 1)


def test_a_task_of_an_unknown_template_is_shown_as_unknown() -> None:
    fold = LogFold()
    spec = TaskSpec(0, LOAD.template_id)
    fold.apply([told.TasksSubmitted(ROOT, 1.0, [spec])], 0, NODE)
    assert [record.template.function for record in fold.tasks.values()] == ["unknown"]


def test_above_the_limit_the_oldest_ended_tasks_are_only_counted() -> None:
    story = Story()
    ids = story.submit(LOAD, 6)
    story.dispatch(10, ids)
    for task_id in ids[:4]:
        story.finish(task_id)
    fold = fold_of(story.facts, FoldLimits(tasks_max=3))
    assert list(fold.tasks) == ids[3:]
    assert (fold.folded, fold.groups[0].folded) == (3, 3)
    assert fold.totals() == {"finished": 4, "running": 1, "ready": 1}
    assert return_object_id(ids[0], 0) not in fold.objects
    assert len(fold.take_changes().removed) == 6


def test_children_of_a_parent_run_again_do_not_double_after_folding() -> None:
    story = Story()
    [parent] = story.submit(LOAD)
    story.dispatch(10, [parent])
    children = story.submit(LOAD, 2, parent=parent)
    submission = story.facts[-1]
    story.dispatch(11, children)
    for child in children:
        story.finish(child)
    story.lose_worker(10)
    story.retry(parent, 1)
    story.dispatch(12, [parent])
    story.facts.append(submission)
    fold = fold_of(story.facts, FoldLimits(tasks_max=1))
    assert (fold.submitted, fold.folded, list(fold.tasks)) == (3, 2, [parent])


def test_objects_have_state_and_size() -> None:
    story = Story()
    put = story.put()
    [task] = story.submit(TRAIN)
    story.dispatch(10, [task])
    shared = ObjectValue(kind=ValueKind.SHARED, offset=4, object_bytes=5000)
    story.facts.append(told.TaskFinished(task, story.now, story.now + 1, (VALUE, shared)))
    story.tell(told.ObjectsFreed, object_ids=[put])
    fold = fold_of(story.facts)
    kept = [(record.state, record.object_bytes) for record in fold.objects.values()]
    assert kept == [("freed", 3), ("inline", 3), ("shared", 5000)]


def test_output_is_counted_by_task() -> None:
    story = Story()
    [task] = story.submit(LOAD)
    story.tell(told.TaskOutput, task_id=task, stream="stdout", text="ü", dropped_bytes=7)
    fold = fold_of(story.facts)
    assert (fold.outputs[task].stdout_bytes, fold.output.dropped_bytes) == (2, 7)


def test_a_node_that_begins_anew_has_no_old_workers() -> None:
    story = Story()
    ids = story.submit(LOAD)
    story.dispatch(10, ids)
    joined = next(fact for fact in story.facts if isinstance(fact, told.NodeJoined))
    story.tell(told.NodeJoined, node_id=joined.node_id, pid=99, resources=(), object_store_bytes=0)
    fold = fold_of(story.facts)
    assert states(fold, ids) == ["ready"]
    assert not fold.workers


def test_an_object_that_moves_to_disk_and_back() -> None:
    object_id = put_object_id(ROOT, 0)
    value = ObjectValue(ValueKind.SHARED, b"", 64, 1000)
    fold = fold_of([told.ObjectSealed(object_id, 1.0, value), told.ObjectSpilled(object_id, 1, 1000, 2.0)])
    assert fold.objects[object_id].state == "spilled"
    fold.apply([told.SpillFailed(object_id, 1, 2.5, "full")], 0, NODE)
    assert fold.objects[object_id].state == "spilled"
    fold.apply([told.ObjectRestored(object_id, 1, 1000, 3.0)], 0, NODE)
    assert fold.objects[object_id].state == "shared"
    fold.apply([told.SpillFailed(object_id, 2, 4.0, "gone", True)], 0, NODE)
    assert fold.objects[object_id].state == "lost"
    assert fold.last_at == 4.0


def test_a_placement_group_is_a_task_that_runs_nowhere() -> None:
    story = Story()
    group = make_template(FunctionHash(b""), "mine", (("CPU", 10000),), group=GroupOptions(((("CPU", 10000),),)))
    story.tell(told.TemplateRegistered, template=group)
    story.templates[group.template_id] = group
    (created,) = story.submit(group)
    fold = fold_of(story.facts)
    assert fold.tasks[created].state_name == "ready"
    story.finish(created)
    story.tell(told.GroupRemoved, group_id=GroupId(created))
    fold = fold_of(story.facts)
    record = fold.tasks[created]
    assert (record.state_name, record.template.function, record.worker) == ("finished", "mine", None)
    assert fold.unknown == 0
    assert fold.last_at == story.now


def test_a_task_that_gave_another_value_remembers_the_difference() -> None:
    story = Story()
    first, second = story.submit(LOAD, 2)
    story.tell(told.OutputDiverged, object_id=return_object_id(second, 0), difference="1 != 2")
    fold = fold_of(story.facts)
    assert [fold.tasks[task].diverged for task in (first, second)] == ["", "1 != 2"]
    assert fold.last_at == story.now
