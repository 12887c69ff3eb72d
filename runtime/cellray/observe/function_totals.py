"""What became of all calls of each function, from the fold's groups or from tasks one by one."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import astuple

from cellray.observe.fold import LogFold
from cellray.observe.groups import ended_count
from cellray.observe.messages import TaskNode
from cellray.observe.records import ENDED_NAMES, FAILED, LOST, RUNNING


class FunctionTotals(msgspec.Struct, frozen=True):
    """What became of all calls of a function; `busy_s` is the time they ran."""

    function: str
    tasks: int
    ended: int
    running: int
    failed: int
    retried: int
    busy_s: float


def totals_of_groups(fold: LogFold) -> dict[str, FunctionTotals]:
    totals: dict[str, FunctionTotals] = {}
    for group in fold.groups:
        more = FunctionTotals(
            group.function,
            group.total,
            ended_count(group),
            group.counts[RUNNING],
            group.counts[FAILED] + group.counts[LOST],
            group.retried,
            group.busy_s,
        )
        totals[group.function] = _sum(totals.get(group.function), more)
    return totals


def totals_of_tasks(tasks: Iterable[TaskNode]) -> dict[str, FunctionTotals]:
    totals: dict[str, FunctionTotals] = {}
    for task in tasks:
        ran_s = task.finished_at - task.started_at if task.finished_at and task.started_at else 0.0
        more = FunctionTotals(
            task.function,
            1,
            int(task.state in ENDED_NAMES),
            int(task.state == "running"),
            int(task.state in ("failed", "lost")),
            int(task.attempt > 0),
            ran_s if task.state in ("finished", "failed") else 0.0,
        )
        totals[task.function] = _sum(totals.get(task.function), more)
    return totals


def _sum(one: FunctionTotals | None, other: FunctionTotals) -> FunctionTotals:
    if one is None:
        return other
    added = [a + b for a, b in zip(astuple(one)[1:], astuple(other)[1:], strict=True)]
    return FunctionTotals(one.function, *added)
