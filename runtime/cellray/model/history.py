"""What the event log tells of one task, for whoever runs it again, replays it or explains it."""

from __future__ import annotations

import msgspec

from cellray.ids import TaskId
from cellray.model.fact import LoggedFact
from cellray.model.task import Function, TaskSpec, TaskTemplate


class TaskHistory(msgspec.Struct, frozen=True, gc=False):
    """A task with everything that is needed to run it again, and what became of it.

    `function` is the one of then; None for placement groups, which have none. `sequence` is that of the log's record
    with the first submission. `facts` are all facts about the task, in the order of the log; of those that name
    several tasks, the whole fact.
    """

    task_id: TaskId
    parent_id: TaskId
    spec: TaskSpec
    template: TaskTemplate
    function: Function | None
    sequence: int
    facts: tuple[LoggedFact, ...] = ()


class HistoryFound(msgspec.Struct, frozen=True, gc=False):
    """A fact for the core, from its own node: the answer to FindHistory.

    It never travels and is not logged, so it is none of those that a frame is decoded to. Tasks that the log does not
    know are in `task_ids` and not in `found`; `error` says why the log could not be read.
    """

    task_ids: tuple[TaskId, ...]
    found: dict[TaskId, TaskHistory]
    error: str = ""
