"""What led to a task or an object: the part of the graph that a view of its lineage shows."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

from cellray.ids import ObjectId, TaskId, child_task_id, producer_of
from cellray.observe.fold import LogFold
from cellray.observe.records import TaskRecord
from cellray.observe.subjects import task_of

CALLS_MAX = 8
"""A call may have seen what all calls before it did to its actor. So many of each actor's are shown, the latest, and
its creation; the others are counted."""


class _Step(NamedTuple):
    """A task to look at. `is_producer`: what its children made may be in its result. `is_certain`: there was such a
    task, so that one which is not known is missing from the view."""

    task_id: TaskId
    is_producer: bool = True
    is_certain: bool = True


class Ancestry:
    """Producers of arguments, parents, what producers had their children make for them, and for a call of an actor
    what the actor was sent before, from its creation on.

    A child's result reaches its parent through `get`, which the log has no edge for: all children of a producer
    count. Those of a parent do not, unless it is a producer itself. The nearest `tasks_max` are kept in `tasks`;
    `beyond` counts the others, `beyond_states` those of them that are known, by state. `shortcuts` leads from a call
    to its actor's creation, where calls in between are left out or yet to be sent.
    """

    def __init__(self, fold: LogFold, start: TaskId | ObjectId, tasks_max: int) -> None:
        self.tasks: dict[TaskId, None] = {}
        self.beyond = 0
        self.beyond_states: Counter[str] = Counter()
        self.shortcuts: dict[TaskId, TaskId] = {}
        self._fold = fold
        self._first = task_of(start)
        self._tasks_max = tasks_max
        self._complete = False

    def refresh(self) -> bool:
        """Look again; whether there are more now. While the first task runs it may still get children, and a call may
        not have been sent: once it ended the answer is final."""
        if self.tasks and self._complete:
            return False
        known = len(self.tasks), self.shortcuts
        first = self._fold.tasks.get(self._first)
        self._complete = first is not None and first.ended
        self._find()
        return len(self.tasks) > known[0] or self.shortcuts != known[1]

    def _find(self) -> None:
        tasks, drivers = self._fold.tasks, self._fold.drivers
        self.tasks, self.beyond, self.beyond_states, self.shortcuts = {}, 0, Counter(), {}
        calls: Counter[str] = Counter()
        queue = deque([_Step(self._first)])
        seen = {self._first}
        while queue:
            step = queue.popleft()
            record = tasks.get(step.task_id)
            if record is None:
                self.beyond += step.is_certain and step.task_id not in drivers
                continue
            if len(self.tasks) < self._tasks_max:
                self.tasks[record.task_id] = None
            else:
                self._leave_out(record)
            for near in (*_near(record, step.is_producer), *self._before(record, calls, seen)):
                if near.task_id not in seen:
                    seen.add(near.task_id)
                    queue.append(near)

    def _before(self, record: TaskRecord, calls: Counter[str], seen: set[TaskId]) -> Iterator[_Step]:
        """The call before this one; beyond the limit the actor's creation, with the calls in between counted."""
        before, creation = record.previous_call, TaskId(bytes.fromhex(record.actor))
        if before is None and record.template.calls and not record.ended:
            # It was not sent yet.
            self.shortcuts[record.task_id] = creation
            yield _Step(creation)
        if before is None or before in seen:
            return
        calls[record.actor] += 1
        if calls[record.actor] <= CALLS_MAX or before == creation:
            yield _Step(before)
            return
        self.shortcuts[record.task_id] = creation
        yield _Step(creation)
        while before is not None and before not in seen and before != creation:
            seen.add(before)
            earlier = self._fold.tasks.get(before)
            self._leave_out(earlier)
            before = earlier.previous_call if earlier is not None else None

    def _leave_out(self, record: TaskRecord | None) -> None:
        self.beyond += 1
        if record is not None:
            self.beyond_states[record.state_name] += 1


def _near(record: TaskRecord, is_producer: bool) -> Iterator[_Step]:
    for dependency in record.dependencies:
        yield _Step(producer_of(dependency))
    if is_producer:
        for index in range(record.index_max + 1):
            # Not every index was given to a task.
            yield _Step(child_task_id(record.prefix, index), is_certain=False)
    yield _Step(record.parent_id, is_producer=False, is_certain=False)
