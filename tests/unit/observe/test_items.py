"""Generators in the log: their items are outputs of their task, kept one by one up to a limit."""

from __future__ import annotations

from cellray.ids import ObjectId, TaskId, item_object_id
from cellray.model import fact as told
from cellray.observe.fold import LogFold
from cellray.observe.lineage import Lineage
from cellray.observe.nodes import ITEMS_MAX, outputs_of, returns_of
from cellray.observe.records import READY

from tests.unit.observe.story import NODE, VALUE, Story, template


class Yielding(Story):
    """One generator that runs on worker 10."""

    def __init__(self) -> None:
        super().__init__()
        (self.task,) = self.submit(template("g"))
        self.dispatch(10, [self.task])

    def yields(self, index: int, count: int) -> None:
        self.tell(told.ItemsYielded, task_id=self.task, index=index, values=[VALUE] * count)

    def fold(self) -> LogFold:
        fold = LogFold()
        fold.apply(self.facts, 0, NODE)
        return fold


def item(task: TaskId, index: int) -> ObjectId:
    return item_object_id(task, index)


def test_items_are_outputs_of_their_task_while_it_runs() -> None:
    story = Yielding()
    story.yields(0, 2)
    story.yields(2, 1)
    fold = story.fold()
    record = fold.tasks[story.task]
    assert record.items == 3
    assert outputs_of(record) == returns_of(record) + [item(story.task, index) for index in range(3)]
    assert fold.objects[item(story.task, 2)].state == "inline"
    lineage = Lineage(fold)
    assert [node.id for node in lineage.ancestors(item(story.task, 1))] == [story.task.hex()]
    assert item(story.task, 1).hex() in [node.id for node in lineage.descendants(story.task)]


def test_what_an_attempt_yields_again_stays_as_it_was() -> None:
    story = Yielding()
    story.yields(0, 2)
    story.tell(told.ObjectsFreed, object_ids=[item(story.task, 0)])
    story.tell(told.TaskRetried, task_id=story.task, attempt=1, reason="died")
    story.yields(0, 3)
    fold = story.fold()
    assert [fold.objects[item(story.task, index)].state for index in range(3)] == ["freed", "inline", "inline"]
    assert fold.tasks[story.task].items == 3


def test_an_endless_generator_is_counted_and_kept_up_to_a_limit() -> None:
    story = Yielding()
    for index in range(0, 3 * ITEMS_MAX, 10):
        story.yields(index, 10)
    (user,) = story.submit(template("use"), dependencies=(item(story.task, 2 * ITEMS_MAX),))
    fold = story.fold()
    record = fold.tasks[story.task]
    assert record.items == 3 * ITEMS_MAX
    assert len(outputs_of(record)) == 1 + ITEMS_MAX
    assert fold.tasks[user].state == READY, "it waits for an item that is there"


def test_a_generator_that_fails_leaves_its_items_as_they_are() -> None:
    story = Yielding()
    story.yields(0, 1)
    story.tell(told.TaskCancelled, task_id=story.task)
    fold = story.fold()
    assert not fold.objects[item(story.task, 0)].is_error
    assert fold.objects[returns_of(fold.tasks[story.task])[0]].is_error
