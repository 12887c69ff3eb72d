"""What tasks that run again are expected to give: what they gave the first time, for workers to compare with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cellray.ids import ObjectId, TaskId, producer_of, short_task_id
from cellray.model.fact import OutputDiverged
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.task import Cell

if TYPE_CHECKING:
    from cellray.core.tasks import Task

EXPECTED_MAX = 1000
"""Of one task, so many items of a generator are compared when it runs again."""
Expected = list[tuple[ObjectId, ObjectValue]]


class Expectations:
    """By task; most tasks run once and are in nobody's way: whoever sends tasks asks only if there are any."""

    def __init__(self) -> None:
        self.of: dict[TaskId, Expected] = {}

    def note(self, task_id: TaskId, values: Iterable[tuple[ObjectId, ObjectValue | None]]) -> None:
        """The task is about to run again; this is what it gave, as far as it is known."""
        known: Expected = []
        for object_id, value in values:
            if value is not None and is_comparable(value) and len(known) < EXPECTED_MAX:
                known.append((object_id, value))
        if known:
            self.of[task_id] = known

    def take(self, tasks: list[Task]) -> Expected:
        """What these are expected to give, which are about to be sent."""
        expected: Expected = []
        for task in tasks:
            expected += self.of.get(task.task_id, ())
        return expected

    def forget(self, task_id: TaskId) -> None:
        """The task has ended."""
        self.of.pop(task_id, None)


def is_comparable(value: ObjectValue) -> bool:
    """Whether enough is known of a value to compare another one with it."""
    return value.digest != 0 or (value.kind == ValueKind.INLINE and value.data != b"")


def divergence_text(fact: OutputDiverged, name: str, cell: Cell | None) -> str:
    """What a driver is told whose task gave another value when it ran again."""
    where = f", cell In [{cell.execution_count}]" if cell is not None else ""
    where += f", line {cell.line}" if cell is not None and cell.line else ""
    return (
        f"{name} (task {short_task_id(producer_of(fact.object_id))}{where}) gave another value when it ran again: "
        f"{fact.difference}. What was made of the first value may not fit the second. Draw random numbers from a "
        "generator seeded with cellray.task_seed(), and keep clocks and outside state out of results; "
        "CELLRAY_DIVERGENCE_IS_ERROR=1 makes this an error."
    )
