"""One worker: takes tasks from its node, runs them one after another, sends back what became of them."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from cellray.errors import SessionLostError
from cellray.ids import TaskId
from cellray.model.actor import ActorOptions, Checkpoint
from cellray.model.command import InterruptTask, OpenDirectLine, ReturnTasks, TasksAssigned
from cellray.model.fact import ActorExited, TaskCancelled, TasksReturned
from cellray.model.task import TaskAssignment
from cellray.worker.actor_exit import ActorExit, Role, how_it_leaves, run_last_words
from cellray.worker.checkpoints import Checkpoints
from cellray.worker.concurrency import Calls, make_calls
from cellray.worker.desk import Desk, TaskScope, WorkerEngine
from cellray.worker.direct_calls import DirectCalls
from cellray.worker.environment import surroundings
from cellray.worker.execute import Outcome
from cellray.worker.raw_output import RawFiles

RESULTS_WAIT_S = 0.005
"""Results are sent before a task begins that would make them wait longer than this, by how long its like took last."""

MakeEngine = Callable[[dict[type, Callable[[Any], None]]], WorkerEngine]


class Worker:
    """The main loop and what may happen to it from outside: interrupts, tasks taken back."""

    def __init__(
        self,
        make_engine: MakeEngine,
        output_bytes_max_per_s: int,
        files: RawFiles,
        checkpoint_folder: str,
        checkpoint_inline_bytes_max: int,
    ) -> None:
        self._queue: deque[TaskAssignment] = deque()
        self._running: TaskId | None = None
        self._interrupt: TaskId | None = None
        # Tasks that were to be interrupted when they were neither queued nor running: about to begin, or at their end.
        self._missed: set[bytes] = set()
        self._concurrent: ActorOptions | None = None
        # Calls of the actor that we are which have run before, in another process.
        self._replayed: set[bytes] = set()
        self._checkpoint_folder = checkpoint_folder
        self._checkpoint_inline_bytes_max = checkpoint_inline_bytes_max
        self._calls: Calls | None = None
        self._handing_over = threading.Lock()
        self._output_bytes_max = output_bytes_max_per_s
        self._files = files
        self._main_thread = threading.main_thread().ident
        self._engine_ready = threading.Event()
        self._engine = make_engine(
            {
                TasksAssigned: self._on_assigned,
                ReturnTasks: self._on_return_tasks,
                InterruptTask: self._on_interrupt,
                OpenDirectLine: self._on_open_line,
            }
        )
        self._desk = Desk(self._engine)
        self._direct: DirectCalls | None = None
        self._is_to_look = False
        """Whether tasks have come by the node since the lines were looked at."""
        self._runner = self._desk.runner
        self._scope: TaskScope | None = None
        self._held_since = math.inf
        """When the first task ended whose result has not been sent; infinite when there is none."""
        self._engine_ready.set()

    def run(self) -> None:
        """Until the node closes the connection."""
        self._desk.capture_output(self._files, self._output_bytes_max, self._printing_task)
        signal.signal(signal.SIGINT, self._on_sigint)
        channel, queue = self._engine.channel, self._queue
        while True:
            try:
                channel.wait_until(queue.__len__, may_be_interrupted=False)  # sends what has been run first
                self._held_since = math.inf
                while queue:
                    if self._concurrent is not None:
                        self._serve(self._concurrent)
                        return
                    if self._is_to_look:
                        self._look_at_lines()
                    self._run_next()
            except SessionLostError:
                self._run_last_words()
                return

    def _look_at_lines(self) -> None:
        """What a caller has sent over its line before it sent others by the node runs before those."""
        self._is_to_look = False
        if self._direct is not None:
            self._direct.look()

    def _run_next(self) -> None:
        try:
            task = self._queue.popleft()
        except IndexError:
            return  # the last queued task was given back between the look and the take
        template, function = self._desk.look_up(task)
        channel = self._engine.channel
        if time.time() + self._runner.expected_s(task.template_id) > self._held_since + RESULTS_WAIT_S:
            channel.flush()
            channel.read_now()  # else the background thread does it while the task runs, in turns with that
            self._held_since = math.inf
        elif channel.is_away and self._held_since != math.inf:
            channel.nudge()  # to look after the results, should this task take longer than its like
        task_id = TaskId(task.task_id)
        if self._replayed:
            self._desk.mute(task_id in self._replayed)
        self._scope = self._engine.begin_task(task_id, template, function)
        outcome: Outcome | None = None
        self._running = task_id
        # An interrupt may hit at any bytecode until `_running` is unset, the inner `finally` included.
        try:
            try:
                if task_id in self._missed:
                    raise KeyboardInterrupt
                outcome = self._runner.run(task, template, function, self._desk.end_output)
            finally:
                self._running = None
        except KeyboardInterrupt:
            self._running = None
        except SystemExit as leaving:
            self._running = None
            self._leave(how_it_leaves(leaving), task_id)
        if self._interrupt is not None:
            self._interrupt = None
            if self._scope.is_cancelled and self._scope.minds_cancel:
                outcome = None
        if self._missed and not self._queue:
            self._look_at_lines()  # one of them may have come that way, and not been read
            if not self._queue:
                self._missed.clear()
        if outcome is None:
            self._desk.end_output(task_id)
            outcome = Outcome(TaskCancelled(task_id, time.time(), "interrupted while it ran"))
        self._engine.end_task()
        direct = self._direct
        if direct is not None and direct.under_way and direct.end(outcome.fact):
            return
        channel.keep(outcome.fact)
        if self._held_since == math.inf:
            self._held_since = time.time()
        if template.recorded and self._runner.checkpoints is not None:
            self._end_recorded(task_id, outcome)

    # -- as an actor

    def _end_recorded(self, task_id: TaskId, outcome: Outcome) -> None:
        """A call has ended that counts for checkpoints; one that was cancelled may have been half done."""
        if self._replayed:
            self._replayed.discard(task_id)
            self._desk.mute(False)
        if not isinstance(outcome.fact, TaskCancelled):
            assert self._runner.checkpoints is not None, "asked before"
            self._runner.checkpoints.ran()

    def _keep_checkpoints(self, actor: ActorOptions, restore: Checkpoint | None) -> None:
        engine = self._engine
        Checkpoints.current = self._runner.checkpoints = Checkpoints(
            actor,
            restore,
            self._checkpoint_folder,
            self._checkpoint_inline_bytes_max,
            lambda: engine.current_task_id,
            engine.channel,
        )

    def _serve(self, options: ActorOptions) -> None:
        """Be an actor that runs several calls at a time."""
        engine = self._engine
        if options.is_async:
            # Its constructor runs on the event loop too, so that it may start coroutines.
            creation = self._queue.popleft()
            engine.begin_task(TaskId(creation.task_id), *self._desk.look_up(creation))
            engine.share_context()
            calls = make_calls(self._desk, options)
            calls.take([creation])
        else:
            self._run_next()
            engine.channel.flush()
            engine.share_context()
            calls = make_calls(self._desk, options)
        self._calls = calls
        self._hand_over(calls)
        leaving = calls.serve()
        if leaving is not None:
            self._leave(leaving, None)
        self._run_last_words()

    def _hand_over(self, calls: Calls) -> None:
        """Give away what is queued: when it arrives, and what has arrived while the actor was created."""
        with self._handing_over:
            tasks: list[TaskAssignment] = []
            while self._queue:
                tasks.append(self._queue.popleft())
            calls.take(tasks)

    def _leave(self, leaving: SystemExit, task_id: TaskId | None) -> NoReturn:
        """An actor ends its own process: with `exit_actor` for good, with an exit code as if it had crashed."""
        engine = self._engine
        if task_id is not None:
            self._desk.end_output(task_id)
            engine.end_task()
        if isinstance(leaving, ActorExit):
            self._run_last_words()
            assert Role.actor is not None, "only actors leave so"
            engine.end_call()
            engine.channel.add(ActorExited(Role.actor.actor_id, time.time()))
        engine.channel.flush()
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        os._exit(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))

    def _run_last_words(self) -> None:
        if Role.actor is not None:
            self._runner.let_go()
            run_last_words()

    # -- what the node says, on whichever thread reads

    def _on_assigned(self, command: TasksAssigned) -> None:
        if command.templates:
            self._engine_ready.wait()
            self._desk.introduce(command)
            actor = command.templates[0].actor
            if actor is not None and actor.is_concurrent:
                self._concurrent = actor
            if actor is not None and actor.recovers:
                self._keep_checkpoints(actor, command.restore)
        if command.is_replay:
            self._replayed.update(task.task_id for task in command.tasks)
        if command.devices is not None:
            surroundings.use_devices(command.devices)  # nothing runs: these tasks are the first of a new lease
        if command.expected:
            self._engine_ready.wait()
            self._desk.repeats.expect(command.expected)
        self._is_to_look = self._direct is not None
        self._queue.extend(command.tasks)
        if self._calls is not None:
            self._hand_over(self._calls)

    def _on_return_tasks(self, _command: ReturnTasks) -> None:
        returned: list[TaskId] = []
        while True:
            try:
                returned.append(TaskId(self._queue.pop().task_id))
            except IndexError:
                break
        self._engine_ready.wait()
        if self._direct is not None:
            for task_id in returned:
                self._direct.give_back(task_id)
            if Role.actor is None:
                self._direct.shut()
        returned.reverse()
        self._engine.channel.add(TasksReturned(self._engine.client_id, time.time(), returned))
        self._engine.channel.nudge()

    def _on_interrupt(self, command: InterruptTask) -> None:
        self._engine_ready.wait()
        if self._calls is not None:
            self._calls.cancel(command.task_id)
            return
        self._missed.add(command.task_id)  # before the look at what runs: `_run_next` looks the other way round
        if self._running == command.task_id:
            self._missed.discard(command.task_id)
            self._interrupt_running(command.task_id)
            return
        for task in list(self._queue):
            if task.task_id == command.task_id:
                try:
                    self._queue.remove(task)
                except ValueError:
                    return  # it was begun at this very moment
                self._missed.discard(command.task_id)
                if self._direct is not None:
                    self._direct.give_back(command.task_id)
                self._engine.channel.add(TaskCancelled(command.task_id, time.time(), "before it began"))
                return

    def _on_open_line(self, command: OpenDirectLine) -> None:
        self._engine_ready.wait()
        if self._calls is not None:
            self._calls.open_line(command)
            return
        if self._direct is None:
            channel = self._engine.channel
            self._direct = DirectCalls(self._desk, self._queue.appendleft, channel.watch, channel.unwatch)
        self._direct.open(command)

    def _interrupt_running(self, task_id: TaskId) -> None:
        scope = self._scope
        if scope is None or scope.task_id != task_id:
            return  # it has ended at this very moment
        self._interrupt = task_id
        scope.is_cancelled = True
        if not scope.minds_cancel:
            assert self._main_thread is not None
            signal.pthread_kill(self._main_thread, signal.SIGINT)

    def _on_sigint(self, _signum: int, _frame: FrameType | None) -> None:
        """Raise in the task that is to be interrupted, never in the code around it."""
        if self._running is not None and self._interrupt == self._running:
            self._interrupt = None
            raise KeyboardInterrupt

    # -- output

    def _printing_task(self) -> TaskId | None:
        return self._running if self._calls is None else self._engine.current_task_id
