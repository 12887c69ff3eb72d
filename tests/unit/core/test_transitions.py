"""The table of a task's moves."""

from __future__ import annotations

import pytest
from cellray.core.tasks import Cancel
from cellray.core.transitions import (
    ASSIGNED,
    CANCELLED,
    FAILED,
    FINISHED,
    LEGAL,
    READY,
    WAITING,
    IllegalMoveError,
    move,
    story,
)
from cellray.errors import InternalError
from cellray.model.task import TaskState

from tests.unit.core.kit import make_task


def test_the_table_covers_every_state() -> None:
    assert len(LEGAL) == len(TaskState)
    assert all(not LEGAL[state] for state in (FINISHED, FAILED, CANCELLED)), "nothing follows the end"


@pytest.mark.parametrize("path", [(READY, ASSIGNED, FINISHED), (READY, ASSIGNED, READY, CANCELLED), (FAILED,)])
def test_legal_paths(path: tuple[int, ...]) -> None:
    task = make_task(0)
    for state in path:
        move(task, state)
    assert task.state == path[-1]


@pytest.mark.parametrize(("before", "after"), [(WAITING, ASSIGNED), (FAILED, WAITING), (FINISHED, READY)])
def test_an_illegal_move_tells_the_story(before: int, after: int) -> None:
    task = make_task(7)
    task.state = before
    task.cancel = Cancel(3.0, False, True, "no longer needed")
    task.notes = ("attempt 1 since 2.0: its worker died",)
    with pytest.raises(IllegalMoveError) as caught:
        move(task, after)
    text = str(caught.value)
    assert isinstance(caught.value, InternalError)
    assert f"{TaskState(before).name} -> {TaskState(after).name}" in text
    for part in ("70707070-7 (f, ", "no longer needed", "its worker died", "by client 1"):
        assert part in text
    assert story(task) in text
    assert task.state == before
