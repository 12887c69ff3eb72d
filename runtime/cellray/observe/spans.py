"""Stretches of time that user code named with `cellray.profile`: the latest of them, as the timeline shows them."""

from __future__ import annotations

from collections import deque

import msgspec

from cellray.ids import TaskId
from cellray.model.fact import SpanEnded
from cellray.observe.records import WorkerKey


class SpanRecord(msgspec.Struct, frozen=True, gc=False):
    """One stretch, in a task or in a driver (by its root task); `process` is the worker or the driver's connection."""

    task_id: TaskId
    process: WorkerKey
    name: str
    started_at: float
    ended_at: float
    extra: dict[str, str]
    error: str


class Spans:
    """The latest `spans_max` stretches, in the order in which they ended; `folded` counts the others."""

    def __init__(self, spans_max: int) -> None:
        self.latest: deque[SpanRecord] = deque(maxlen=spans_max)
        self.folded = 0

    def note(self, fact: SpanEnded, process: WorkerKey) -> None:
        """A stretch is over."""
        self.folded += len(self.latest) == self.latest.maxlen
        self.latest.append(
            SpanRecord(fact.task_id, process, fact.name, fact.started_at, fact.at, fact.extra, fact.error)
        )
