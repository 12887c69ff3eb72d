"""What the event log tells of one task, for whoever runs it again, replays it or explains it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from cellray.ids import TaskId
from cellray.model.fact import LoggedFact
from cellray.model.task import Function, TaskSpec, TaskTemplate


class Told(NamedTuple):
    """A fact of the log: in which record it stands, where the record comes from, and when it happened.

    `at` is in seconds since the epoch, 0 for a fact without a time.
    """

    sequence: int
    node_id: str
    source: int
    at: float
    fact: LoggedFact


class TaskHistory(NamedTuple):
    """Everything the log has of one task. `parent_id`, `spec` and `sequence` are those of its first submission.

    `template` and `function` are as they were then; None when their registration is not in the log any more, and
    `function` for what has none. `facts` are in order, those of all attempts, submissions included; a fact about
    several tasks is among the facts of each, but a submission has only this task in it.
    """

    task_id: TaskId
    parent_id: TaskId
    spec: TaskSpec
    template: TaskTemplate | None
    function: Function | None
    sequence: int
    submitted_at: float
    facts: tuple[Told, ...]


class HistoryFound(msgspec.Struct, frozen=True, gc=False):
    """A fact for the core, from its own node: the answer to FindHistory.

    It never travels and is not logged, so it is none of those that a frame is decoded to. Tasks that the log does not
    know are in `task_ids` and not in `found`; `error` says why the log could not be read.
    """

    task_ids: tuple[TaskId, ...]
    found: dict[TaskId, TaskHistory]
    error: str = ""
