"""Calls of an actor in threads: up to `max_concurrency` of them, and up to its limit in each concurrency group."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from cellray.ids import TaskId
from cellray.model.command import OpenDirectLine
from cellray.model.task import TaskAssignment
from cellray.worker.actor_exit import ActorExit, how_it_leaves
from cellray.worker.concurrency import ended_cancelled, not_begun
from cellray.worker.desk import Desk, TaskScope
from cellray.worker.execute import Outcome

SLOW_S = 0.0005
"""A call that took this long last time does not begin before the results of others have left."""


class ThreadGroup:
    """The threads of one concurrency group, started as they are needed; calls begin in the order they came."""

    def __init__(self, name: str, limit: int, run: Callable[[TaskAssignment, bool], None]) -> None:
        self._name = name
        self._limit = limit
        self._run = run
        self._queue: SimpleQueue[TaskAssignment] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._unfinished = 0

    def put(self, task: TaskAssignment) -> None:
        """Have a call run."""
        with self._lock:
            self._unfinished += 1
            is_short = self._threads < min(self._unfinished, self._limit)
            self._threads += is_short
        self._queue.put(task)
        if is_short:
            name = f"cellray-call-{self._name}-{self._threads}" if self._name else f"cellray-call-{self._threads}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        queue, run = self._queue, self._run
        while True:
            run(queue.get(), queue.empty())
            with self._lock:
                self._unfinished -= 1


class ThreadedCalls:
    """`Calls` in threads. A thread cannot be interrupted: a call that is cancelled while it runs is told when it asks
    (`is_canceled`)."""

    def __init__(self, desk: Desk, slots: dict[str, int]) -> None:
        self._desk = desk
        self._groups = {name: ThreadGroup(name, limit, self._run) for name, limit in slots.items()}
        self._under_way: dict[bytes, TaskScope] = {}
        self._dropped: set[bytes] = set()
        self._is_leaving = False
        self._ended = threading.Condition()
        self._last: SimpleQueue[SystemExit | None] = SimpleQueue()
        desk.engine.when_lost(lambda: self._last.put(None))

    def take(self, tasks: Sequence[TaskAssignment]) -> None:
        """See `Calls`."""
        for task in tasks:
            self._groups[self._desk.look_up(task).template.concurrency_group].put(task)

    def cancel(self, task_id: TaskId) -> None:
        """See `Calls`."""
        self._dropped.add(task_id)  # before the look at what runs: `_outcome_of` looks the other way round
        scope = self._under_way.get(task_id)
        if scope is not None:
            self._dropped.discard(task_id)
            scope.is_cancelled = True

    def open_line(self, command: OpenDirectLine) -> None:
        """See `Calls`. Nobody asks for one: the thread that reads is none of those that run calls."""

    def serve(self) -> SystemExit | None:
        """See `Calls`."""
        leaving = self._last.get()
        if isinstance(leaving, ActorExit):
            with self._ended:
                self._ended.wait_for(lambda: not self._under_way)
        return leaving

    def _run(self, task: TaskAssignment, is_last: bool) -> None:
        if self._is_leaving:
            return  # as all that has not begun: it fails with the actor
        engine = self._desk.engine
        if self._desk.runner.expected_s(task.template_id) > SLOW_S:
            engine.channel.flush()
        try:
            outcome = self._outcome_of(task)
        except SystemExit as leaving:
            self._leave(task, how_it_leaves(leaving))
            return
        engine.end_call()
        engine.channel.add(outcome.fact)
        if is_last:
            engine.channel.flush()
        self._end(task)

    def _outcome_of(self, task: TaskAssignment) -> Outcome:
        task_id = TaskId(task.task_id)
        template, function = self._desk.look_up(task)
        scope = self._desk.engine.enter_call(task_id, template, function)
        self._under_way[task_id] = scope
        if task_id in self._dropped:
            self._dropped.discard(task_id)
            return not_begun(task_id)
        try:
            outcome = self._desk.runner.run(task, template, function, self._desk.end_output)
        except KeyboardInterrupt:  # raised by the method itself
            self._desk.end_output(task_id)
            return ended_cancelled(task_id)
        return ended_cancelled(task_id) if scope.is_cancelled and scope.minds_cancel else outcome

    def _leave(self, task: TaskAssignment, leaving: SystemExit) -> None:
        self._desk.end_output(TaskId(task.task_id))
        self._is_leaving = True
        self._end(task)
        self._last.put(leaving)

    def _end(self, task: TaskAssignment) -> None:
        del self._under_way[task.task_id]
        if self._is_leaving:
            with self._ended:
                self._ended.notify_all()
