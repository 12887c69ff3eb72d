"""Which calls of a concurrent actor run, as far as the core can tell."""

from __future__ import annotations

from collections import deque

import pytest
from cellray.core.tasks import Task
from cellray.core.under_way import UnderWay

from tests.unit.core.kit import make_task, make_task_template


def calls(groups: str) -> deque[Task]:
    """One call for each letter: `-` of the actor itself, another one of the group of that name."""
    templates = {
        group: make_task_template("C.m", method="m", concurrency_group="" if group == "-" else group)
        for group in set(groups)
    }
    return deque(make_task(index, templates[group]) for index, group in enumerate(groups))


@pytest.mark.parametrize(
    ("slots", "sent", "running"),
    [
        ({"": 1}, "---", [0]),
        ({"": 2}, "---", [0, 1]),
        ({"": 2}, "-", [0]),
        ({"": 2}, "", []),
        ({"": 1, "a": 2}, "--aaa", [0, 2, 3]),
        ({"": 1, "a": 1, "b": 1}, "aab-", [0, 2, 3]),
        ({"": 1}, "xx-", [2]),
    ],
)
def test_the_first_of_each_group_run(slots: dict[str, int], sent: str, running: list[int]) -> None:
    under_way = UnderWay(slots)
    queue = calls(sent)
    under_way.look(queue, 1.0)
    assert list(under_way.since) == [queue[index] for index in running]


def test_each_long_call_is_told_once_and_since_when() -> None:
    under_way = UnderWay({"": 2})
    queue = calls("---")
    first, second, third = queue
    under_way.look(queue, 1.0)
    assert under_way.take_long(0.05, 1.0) == []
    under_way.look(queue, 1.1)
    assert under_way.take_long(0.05, 1.1) == [(first, 1.0), (second, 1.0)]
    queue.remove(second)
    under_way.look(queue, 1.2)
    assert under_way.since == {first: 1.0, third: 1.2}
    under_way.look(queue, 1.3)
    assert under_way.take_long(0.05, 1.3) == [(third, 1.2)]
    under_way.look((), 1.4)
    assert not under_way.since
