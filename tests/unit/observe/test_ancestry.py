"""What a view of a lineage shows of actors: what a call's actor was sent before, from its creation on."""

from __future__ import annotations

from cellray.ids import ClientId, TaskId
from cellray.model import fact as told
from cellray.observe.ancestry import CALLS_MAX
from cellray.observe.fold import LogFold
from cellray.observe.ledger import FoldLimits
from cellray.observe.level import TaskLevel
from cellray.observe.lineage import Lineage
from cellray.observe.scope import GraphFilter, Scope

from tests.unit.observe.story import NODE, template
from tests.unit.observe.test_actor_calls import ActorStory, task


def called(calls: int) -> ActorStory:
    """An actor that has had so many calls."""
    story = ActorStory(calls)
    for index in range(calls + 1):
        story.send(index)
        story.done(index)
    return story


def scope_of(fold: LogFold, start: TaskId, tasks_max: int = 2000) -> Scope:
    return Scope(fold, GraphFilter(ancestors_of=start), tasks_max)


def shown(scope: Scope) -> list[TaskId]:
    return [record.task_id for record in scope.tasks()]


def stateful(fold: LogFold, scope: Scope) -> set[tuple[str, str]]:
    level = TaskLevel(fold, scope)
    level.show_all()
    return {(line.source, line.target) for line in level.edges if line.kind == "stateful"}


def test_a_call_comes_from_the_calls_before_it_and_from_the_creation() -> None:
    fold = called(4).fold()
    scope = scope_of(fold, task(3))
    assert shown(scope) == [task(0), task(1), task(2), task(3)]
    assert stateful(fold, scope) == {(task(n).hex(), task(n + 1).hex()) for n in range(3)}
    assert scope.dropped() == 0


def test_the_arguments_of_earlier_calls_and_of_the_creation_are_part_of_it() -> None:
    story = called(2)
    [made] = story.submit(template("load"), parent=task(0))
    fold = story.fold()
    assert made in shown(scope_of(fold, task(2)))


def test_of_a_long_chain_the_latest_and_the_creation_are_shown_and_the_others_counted() -> None:
    calls = CALLS_MAX + 70
    fold = called(calls).fold()
    scope = scope_of(fold, task(calls))
    assert shown(scope) == [task(0), *(task(n) for n in range(calls - CALLS_MAX, calls + 1))]
    assert scope.dropped() == 69
    assert scope.totals() == {"finished": calls + 1}, "the counts include what the picture leaves out"
    edges = stateful(fold, scope)
    assert (task(0).hex(), task(calls - CALLS_MAX).hex()) in edges
    assert len(edges) == CALLS_MAX + 1


def test_calls_that_the_fold_has_forgotten_are_counted_as_left_out() -> None:
    story = called(10)
    fold = LogFold(FoldLimits(tasks_max=4))
    fold.apply(story.facts, 0, NODE)
    scope = scope_of(fold, task(10))
    assert shown(scope) == [task(n) for n in range(7, 11)]
    assert scope.dropped() == 1


def test_after_a_restart_the_state_begins_with_the_creation() -> None:
    story = ActorStory(4)
    for index in range(4):
        story.send(index)
        story.done(index)
    story.tell(told.ActorDied, actor_id=story.actor, reason="gone", will_restart=True)
    story.tell(told.TaskRetried, task_id=task(0), attempt=1, reason="gone")
    story.send(0)
    story.done(0)
    story.send(4)
    assert shown(scope_of(story.fold(), task(4))) == [task(0), task(4)]


def test_an_actor_that_was_rebuilt_goes_on_from_the_calls_before() -> None:
    story = ActorStory(4)
    for index in range(4):
        story.send(index)
        story.done(index)
    story.tell(told.ActorDied, actor_id=story.actor, reason="gone", will_restart=True)
    story.tell(told.TaskRetried, task_id=task(0), attempt=1, reason="gone")
    story.send(0)
    story.tell(told.ActorRestored, actor_id=story.actor, calls=3, replayed=[task(3)])
    story.send(4)
    assert shown(scope_of(story.fold(), task(4))) == [task(n) for n in range(5)]


def test_a_call_that_was_not_sent_yet_shows_its_actor_and_then_what_is_before_it() -> None:
    story = ActorStory(2)
    story.send(0)
    story.done(0)
    fold = story.fold()
    scope = scope_of(fold, task(2))
    assert shown(scope) == [task(0), task(2)]
    assert stateful(fold, scope) == {(task(0).hex(), task(2).hex())}
    fold.apply([told.TasksDispatched(ClientId(9), 3.0, [task(1), task(2)])], 0, NODE)
    assert scope.refresh()
    assert stateful(fold, scope) == {(task(n).hex(), task(n + 1).hex()) for n in range(2)}


def test_the_critical_path_runs_through_the_calls_before() -> None:
    fold = called(3).fold()
    assert [each.id for each in Lineage(fold).critical_path(task(3))] == [task(n).hex() for n in range(4)]
