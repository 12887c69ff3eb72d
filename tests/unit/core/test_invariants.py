"""The invariants notice what they are for: each test breaks one thing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cellray.core.invariants import check, check_drained
from cellray.core.transitions import WAITING
from cellray.model import fact as f

from tests.unit.core.kit import DRIVER, Node, child, result


def prepared() -> Node:
    """One task runs, one is ready, one waits; space is granted."""
    node = Node()
    node.submit(0, 1)
    node.submit(2, dependencies=(result(child(0)),))
    node.tell(f.SpaceRequested(result(child(0)), 100), source=node.workers[0])
    return node


def lose_a_cpu(node: Node) -> None:
    node.core._pool.available["CPU"] -= 1


def miscount_references(node: Node) -> None:
    node.core._objects.entries[result(child(0))].refs += 1


def forget_a_hold(node: Node) -> None:
    del node.core._clients[DRIVER].held[result(child(1))]


def leak_space(node: Node) -> None:
    node.core._objects.arena.allocate(64)


def lose_a_task(node: Node) -> None:
    del node.core._tasks.tasks[child(1)]


def idle_and_busy(node: Node) -> None:
    worker = node.core._workers.workers[node.workers[0]]
    node.core._workers.idle[worker] = None


def confuse_a_state(node: Node) -> None:
    node.core._tasks.tasks[child(1)].state = WAITING


def forget_who_waits(node: Node) -> None:
    node.core._objects.entries[result(child(0))].waiters = None


def miscount_a_job(node: Node) -> None:
    next(iter(node.core._tasks.jobs.values())).live += 1


BREAKS = [
    lose_a_cpu,
    miscount_references,
    forget_a_hold,
    leak_space,
    lose_a_task,
    idle_and_busy,
    confuse_a_state,
    forget_who_waits,
    miscount_a_job,
]


@pytest.mark.parametrize("break_something", BREAKS)
def test_it_is_noticed(break_something: Callable[[Node], None]) -> None:
    node = prepared()
    check(node.core)
    break_something(node)
    with pytest.raises(AssertionError):
        check(node.core)


def test_what_is_under_way_is_not_drained() -> None:
    with pytest.raises(AssertionError, match="records are left"):
        check_drained(prepared().core)
