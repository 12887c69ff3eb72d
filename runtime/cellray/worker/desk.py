"""What a worker knows of the tasks that it is given, and the engine that they use: one desk for all who run them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import NamedTuple, Protocol

from cellray.client.channel import Channel
from cellray.config import Config
from cellray.ids import ClientId, FunctionHash, TaskId, TemplateId
from cellray.model.command import TasksAssigned
from cellray.model.task import Function, TaskAssignment, TaskTemplate
from cellray.worker.execute import ExecutionEngine, TaskRunner
from cellray.worker.output import LastResort, OutputBudget, TaskStream
from cellray.worker.raw_output import RawFiles, TaskOfThread
from cellray.worker.repeats import Repeats


class TaskScope(Protocol):
    """A task under way, as the engine knows it."""

    @property
    def task_id(self) -> TaskId:
        """Which task."""

    is_cancelled: bool
    """Somebody asked to cancel it."""
    minds_cancel: bool
    """It asks itself whether it is cancelled."""


class WorkerEngine(ExecutionEngine, Protocol):
    """What a worker needs of the engine that its tasks use."""

    config: Config

    @property
    def channel(self) -> Channel:
        """The connection to the node."""

    @property
    def client_id(self) -> ClientId:
        """The worker's id."""

    @property
    def current_task_id(self) -> TaskId:
        """The task that the running thread or coroutine belongs to."""

    @property
    def task_here(self) -> TaskOfThread:
        """The same, with what it is an instance of."""

    def begin_task(self, task_id: TaskId, template: TaskTemplate, function: Function) -> TaskScope:
        """Tasks submitted from now on are children of this one."""

    def end_task(self) -> None:
        """Say what the node must know before it gets the task's result."""

    def share_context(self) -> None:
        """From now on several calls are under way at a time."""

    def enter_call(self, task_id: TaskId, template: TaskTemplate, function: Function) -> TaskScope:
        """As `begin_task`, for the running thread or coroutine."""

    def end_call(self) -> None:
        """As `end_task`, for one of several."""

    def when_lost(self, listener: Callable[[], None]) -> None:
        """Call `listener` when the connection is gone, at once if it is; perhaps twice."""


class Introduced(NamedTuple):
    """What a task is an instance of."""

    template: TaskTemplate
    function: Function


class Desk:
    """Use `look_up` on any thread; what it needs has come with the task or before."""

    def __init__(self, engine: WorkerEngine) -> None:
        self.engine = engine
        self.repeats = Repeats(engine.channel.add, raises=bool(engine.config.divergence_is_error))
        self.runner = TaskRunner(engine, self.repeats, engine.config.inline_bytes_max)
        self.streams: list[TaskStream] = []
        self._files: RawFiles | None = None
        self._templates: dict[TemplateId, Introduced] = {}
        self._functions: dict[FunctionHash, Function] = {}

    def introduce(self, command: TasksAssigned) -> None:
        """Learn the templates and functions that came along."""
        for function in command.functions:
            self._functions[function.function_hash] = function
        for template in command.templates:
            self._templates[template.template_id] = Introduced(template, self._functions[template.function_hash])

    def look_up(self, task: TaskAssignment) -> Introduced:
        """The template of a task and its function."""
        return self._templates[task.template_id]

    def knows(self, task: TaskAssignment) -> bool:
        """Whether `look_up` finds it."""
        return task.template_id in self._templates

    def capture_output(self, files: RawFiles, bytes_max_per_s: int, current_task: Callable[[], TaskId | None]) -> None:
        """What is printed from now on becomes facts; of what is written past Python the node is told."""
        channel = self.engine.channel
        budget = OutputBudget(bytes_max_per_s, files.dropped_path)
        self.streams = [
            TaskStream(name, getattr(sys, name), current_task, channel.add, budget, files.black_box)
            for name in ("stdout", "stderr")
        ]
        sys.stdout, sys.stderr = self.streams
        logging.lastResort = LastResort()
        self._report = channel.before_flush
        channel.before_flush, channel.after_flush = self._before_flush, files.black_box.clear
        self._files = files

    def _before_flush(self, *, all_of_it: bool) -> None:
        """What was printed since the last flush is among the facts that are sent now, unless a line has not ended."""
        self._report(all_of_it=all_of_it)
        assert self._files is not None
        news = self._files.news(lambda: self.engine.task_here)
        if news is not None:
            self.engine.channel.add(news)
        if not (self.streams[0].pending or self.streams[1].pending):
            self._files.black_box.mark()

    def mute(self, is_muted: bool) -> None:
        """What is printed from now on was printed before, by another process; or it is new."""
        for stream in self.streams:
            stream.is_muted = is_muted

    def end_output(self, task_id: TaskId) -> None:
        """What a task has printed goes before its result."""
        for stream in self.streams:
            if stream.pending or stream.dropped_bytes:
                stream.end_task(task_id)
