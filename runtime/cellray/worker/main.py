"""One worker: takes tasks from its node, runs them one after another, sends back what became of them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn, Protocol

from cellray.client.channel import Channel
from cellray.errors import SessionLostError
from cellray.ids import ActorId, ClientId, FunctionHash, TaskId, TemplateId
from cellray.model.command import InterruptTask, ReturnTasks, TasksAssigned
from cellray.model.environment import Environment, parse_environment
from cellray.model.fact import ActorExited, TaskCancelled, TasksReturned
from cellray.model.task import Function, TaskAssignment, TaskTemplate
from cellray.worker.actor_exit import ActorExit
from cellray.worker.environment import surroundings
from cellray.worker.execute import ExecutionEngine, Outcome, TaskRunner
from cellray.worker.output import OutputBudget, TaskStream

SLOW_S = 0.0005
"""After a template's task took this long, results are flushed before its next one begins."""


class WorkerEngine(ExecutionEngine, Protocol):
    """What a worker needs of the engine that its tasks use."""

    @property
    def channel(self) -> Channel:
        """The connection to the node."""

    environment: Environment
    """What the tasks that this worker submits run in, if they say nothing else."""

    def begin_task(self, task_id: TaskId, template: TaskTemplate) -> None:
        """Tasks submitted from now on are children of this one."""

    def end_task(self) -> None:
        """Say what the node must know before it gets the task's result."""

    @property
    def client_id(self) -> ClientId:
        """The worker's id."""


MakeEngine = Callable[[dict[type, Callable[[Any], None]]], WorkerEngine]


class Worker:
    """The main loop and what may happen to it from outside: interrupts, tasks taken back."""

    def __init__(self, make_engine: MakeEngine, output_bytes_max_per_s: int) -> None:
        self._queue: deque[TaskAssignment] = deque()
        self._templates: dict[TemplateId, TaskTemplate] = {}
        self._functions: dict[FunctionHash, Function] = {}
        self._actor_id = ActorId(TaskId(b""))
        self._running: TaskId | None = None
        self._interrupt: TaskId | None = None
        # Tasks that were to be interrupted when they were neither queued nor running: about to begin, or at their end.
        self._missed: set[bytes] = set()
        self._output_bytes_max = output_bytes_max_per_s
        self._main_thread = threading.main_thread().ident
        self._engine_ready = threading.Event()
        self._engine = make_engine(
            {
                TasksAssigned: self._on_assigned,
                ReturnTasks: self._on_return_tasks,
                InterruptTask: self._on_interrupt,
            }
        )
        self._runner = TaskRunner(self._engine, self._take_on)
        self._engine_ready.set()

    def run(self) -> None:
        """Until the node closes the connection."""
        self._capture_output()
        signal.signal(signal.SIGINT, self._on_sigint)
        channel, queue = self._engine.channel, self._queue
        while True:
            try:
                channel.wait_until(lambda: bool(queue))
                while queue:
                    self._run_next()
                channel.flush()
            except SessionLostError:
                return
            except IndexError:
                continue  # the last queued task was given back between the look and the take

    def _run_next(self) -> None:
        task = self._queue.popleft()
        template = self._templates[task.template_id]
        function = self._functions[template.function_hash]
        if self._runner.is_slow(task.template_id, SLOW_S):
            self._engine.channel.flush()  # results must not wait behind a long task
        task_id = TaskId(task.task_id)
        self._engine.begin_task(task_id, template)
        outcome: Outcome | None = None
        self._running = task_id
        # An interrupt may hit at any bytecode until `_running` is unset, the inner `finally` included.
        try:
            try:
                if task_id in self._missed:
                    raise KeyboardInterrupt
                outcome = self._runner.run(task, template, function, self._end_output)
            finally:
                self._running = None
        except KeyboardInterrupt:
            self._running = None
        except SystemExit as leaving:
            self._running = None
            self._leave(task_id, template, leaving)
        self._interrupt = None
        if self._missed and not self._queue:
            self._missed.clear()
        if outcome is None:
            self._end_output(task_id)
            outcome = Outcome(TaskCancelled(task_id, time.time(), "interrupted while it ran"))
        self._engine.end_task()
        self._engine.channel.add(outcome.fact)

    def _leave(self, task_id: TaskId, template: TaskTemplate, leaving: SystemExit) -> NoReturn:
        """An actor ends its own process: with `exit_actor` for good, with `sys.exit` as if it had crashed."""
        self._end_output(task_id)
        self._engine.end_task()
        if isinstance(leaving, ActorExit):
            self._engine.channel.add(ActorExited(self._actor_id, time.time()))
        self._engine.channel.flush()
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        os._exit(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))

    # -- what the node says, on whichever thread reads

    def _on_assigned(self, command: TasksAssigned) -> None:
        for function in command.functions:
            self._functions[function.function_hash] = function
        if command.templates and command.templates[0].actor is not None:
            self._actor_id = ActorId(TaskId(command.tasks[0].task_id))
        for template in command.templates:
            self._templates[template.template_id] = template
        if command.devices is not None:
            surroundings.use_devices(command.devices)  # nothing runs: these tasks are the first of a new lease
        self._queue.extend(command.tasks)

    def _take_on(self, environment: str) -> None:
        surroundings.take_on(environment)
        self._engine.environment = parse_environment(environment)

    def _on_return_tasks(self, _command: ReturnTasks) -> None:
        returned: list[TaskId] = []
        while True:
            try:
                returned.append(TaskId(self._queue.pop().task_id))
            except IndexError:
                break
        self._engine_ready.wait()
        returned.reverse()
        self._engine.channel.add(TasksReturned(self._engine.client_id, time.time(), returned))
        self._engine.channel.nudge()

    def _on_interrupt(self, command: InterruptTask) -> None:
        self._engine_ready.wait()
        self._missed.add(command.task_id)  # before the look at what runs: `_run_next` looks the other way round
        if self._running == command.task_id:
            self._missed.discard(command.task_id)
            self._interrupt = command.task_id
            assert self._main_thread is not None
            signal.pthread_kill(self._main_thread, signal.SIGINT)
            return
        for task in list(self._queue):
            if task.task_id == command.task_id:
                try:
                    self._queue.remove(task)
                except ValueError:
                    return  # it was begun at this very moment
                self._missed.discard(command.task_id)
                self._engine.channel.add(TaskCancelled(command.task_id, time.time(), "before it began"))
                return

    def _on_sigint(self, _signum: int, _frame: FrameType | None) -> None:
        """Raise in the task that is to be interrupted, never in the code around it."""
        if self._running is not None and self._interrupt == self._running:
            self._interrupt = None
            raise KeyboardInterrupt

    # -- output

    def _capture_output(self) -> None:
        budget = OutputBudget(self._output_bytes_max)
        emit = self._engine.channel.add
        self._streams = [
            TaskStream(name, getattr(sys, name), lambda: self._running, emit, budget) for name in ("stdout", "stderr")
        ]
        sys.stdout, sys.stderr = self._streams

    def _end_output(self, task_id: TaskId) -> None:
        for stream in self._streams:
            stream.end_task(task_id)


def redirect_to_log(log_folder: str) -> None:
    """What is written to descriptors 1 and 2 (C code, subprocesses, crashes) goes to the worker's log file."""
    path = os.path.join(log_folder, f"worker-{os.getpid()}.log")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
