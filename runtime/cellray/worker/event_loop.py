"""Calls of an async actor: all on one event loop, which is the process's main thread and reads its socket too.

So a call begins in the same wake in which it arrived, and the results of all calls that end in one turn of the loop
leave in one frame.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context, copy_context
from typing import Any

from cellray.awake import Vigil
from cellray.client.channel import AWAKE_S, CAN_STAY_AWAKE
from cellray.ids import TaskId
from cellray.model.command import OpenDirectLine
from cellray.model.task import TaskAssignment
from cellray.worker.actor_exit import ActorExit, how_it_leaves
from cellray.worker.concurrency import not_begun
from cellray.worker.desk import Desk
from cellray.worker.direct_calls import DirectCalls
from cellray.worker.execute import Outcome


class LoopGroup:
    """One concurrency group: how many more may run, and who waits for that."""

    __slots__ = ("free", "waiting")

    def __init__(self, limit: int) -> None:
        self.free = limit
        self.waiting: deque[TaskAssignment] = deque()


class AwakeSelector(selectors.DefaultSelector):
    """Stays awake for a moment where the last wait was shorter than that: who calls one method after another is not
    held up by our being woken."""

    def __init__(self) -> None:
        super().__init__()
        self._vigil = Vigil()
        self._is_soon = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors`."""
        select = super().select
        if not CAN_STAY_AWAKE or (timeout is not None and timeout <= 0):
            return select(timeout)
        began, ready = time.monotonic(), None
        if self._is_soon:
            ready = self._vigil.look(lambda: select(0), AWAKE_S if timeout is None else min(timeout, AWAKE_S))
        if not ready:
            ready = select(timeout if timeout is None else max(0.0, began + timeout - time.monotonic()))
        self._is_soon = bool(ready) and time.monotonic() - began < AWAKE_S
        return ready


class EagerLoop(asyncio.SelectorEventLoop):
    """An event loop that can begin a coroutine at once instead of in its next turn: most calls end in their first
    step. (Python 3.12 has eager tasks of its own.)"""

    _ready: deque[asyncio.Handle]

    def __init__(self) -> None:
        super().__init__(AwakeSelector())

    def begin(self, coroutine: Coroutine[Any, Any, None], context: Context) -> None:
        """Make a task of it and run its first step. Not from within another task."""
        count = len(self._ready)
        self.create_task(coroutine, context=context)
        if len(self._ready) == count + 1:  # else the user's task factory has its own ways
            self._ready.pop()._run()


class LoopCalls:
    """`Calls` on an event loop. Methods that are no coroutines run on it as well, as in Ray, and hold it up."""

    def __init__(self, desk: Desk, slots: dict[str, int]) -> None:
        self._desk = desk
        self._engine = desk.engine
        self._channel = desk.engine.channel
        self._groups = {name: LoopGroup(limit) for name, limit in slots.items()}
        self._arrived: deque[TaskAssignment] = deque()
        self._under_way: dict[bytes, asyncio.Task[None]] = {}
        self._running = 0
        self._dropped: set[bytes] = set()
        self._flush_planned = False
        self._leaving: SystemExit | None = None
        self._blank = copy_context()
        self._is_reading = self._is_beginning = False
        self._loop = EagerLoop()
        self._direct = DirectCalls(desk, self._arrived.appendleft, self._watch_line, self._loop.remove_reader)
        asyncio.set_event_loop(self._loop)
        desk.engine.when_lost(self._on_lost)

    def take(self, tasks: Sequence[TaskAssignment]) -> None:
        """See `Calls`."""
        self._arrived.extend(tasks)
        if not self._is_reading:
            self._loop.call_soon_threadsafe(self._begin_all)

    def cancel(self, task_id: TaskId) -> None:
        """See `Calls`."""
        self._loop.call_soon_threadsafe(self._cancel, task_id)

    def open_line(self, command: OpenDirectLine) -> None:
        """See `Calls`."""
        self._loop.call_soon_threadsafe(self._direct.open, command)

    def serve(self) -> SystemExit | None:
        """See `Calls`."""
        self._loop.add_reader(self._channel.fileno(), self._on_readable)
        while True:
            try:
                self._loop.run_forever()
                return self._leaving
            except SystemExit as leaving:  # from a coroutine that a call has started
                self._leave(leaving)

    def _watch_line(self, descriptor: int, read: Callable[[], None]) -> None:
        def on_readable() -> None:
            read()
            if self._arrived:
                self._begin_all()

        self._loop.add_reader(descriptor, on_readable)

    def _on_readable(self) -> None:
        self._direct.look()
        self._is_reading = True
        try:
            self._channel.read_now()
        finally:
            self._is_reading = False
        if self._arrived:
            self._begin_all()

    def _begin_all(self) -> None:
        """Begin what has arrived, and send the results of what ended at once."""
        arrived, look_up, groups = self._arrived, self._desk.look_up, self._groups
        self._is_beginning = True
        try:
            while arrived:
                task = arrived.popleft()
                group = groups[look_up(task).template.concurrency_group]
                if group.free:
                    self._begin(task, group)
                else:
                    group.waiting.append(task)
        finally:
            self._is_beginning = False
            self._flush()

    def _begin(self, task: TaskAssignment, group: LoopGroup) -> None:
        if self._leaving is None:  # else it fails with the actor, as all that has not begun
            group.free -= 1
            self._running += 1
            # A call that begins when another ends does not inherit that one's context variables.
            self._loop.begin(self._run(task, group), self._blank.copy())

    async def _run(self, task: TaskAssignment, group: LoopGroup) -> None:
        # The loop holds the task until here; from its first wait on, it must be held by somebody else.
        current = asyncio.current_task()
        assert current is not None, "a coroutine of this loop"
        self._under_way[task.task_id] = current
        try:
            template, function = self._desk.look_up(task)
            self._engine.enter_call(TaskId(task.task_id), template, function)
            if self._dropped and task.task_id in self._dropped:
                self._dropped.discard(task.task_id)
                outcome = not_begun(TaskId(task.task_id))
            else:
                outcome = await self._desk.runner.run_async(task, template, function, self._desk.end_output)
            self._engine.end_call()
            self._tell(outcome)
        except SystemExit as leaving:
            self._desk.end_output(TaskId(task.task_id))
            self._leave(leaving)
        finally:
            del self._under_way[task.task_id]
            self._running -= 1
            group.free += 1
        if group.waiting:
            self._loop.call_soon(self._begin_waiting, group)
        if self._leaving is not None and not self._running:
            self._loop.stop()

    def _begin_waiting(self, group: LoopGroup) -> None:
        if group.waiting and group.free:
            self._begin(group.waiting.popleft(), group)

    def _cancel(self, task_id: TaskId) -> None:
        self._direct.look()
        if self._arrived:
            self._begin_all()
        running = self._under_way.get(task_id)
        if running is not None:
            running.cancel()
            return
        for group in self._groups.values():
            for task in group.waiting:
                if task.task_id == task_id:
                    group.waiting.remove(task)
                    self._tell(not_begun(task_id))
                    return
        if self._running:
            self._dropped.add(task_id)  # about to begin, or at its end
        else:
            self._dropped.clear()

    def _on_lost(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _tell(self, outcome: Outcome) -> None:
        if self._direct.under_way and self._direct.end(outcome.fact):
            return
        self._channel.add(outcome.fact)
        if not self._flush_planned:
            self._flush_planned = True
            if not self._is_beginning:
                self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._flush_planned:
            self._flush_planned = False
            self._channel.flush()

    def _leave(self, leaving: SystemExit) -> None:
        """After `exit_actor` what runs comes to its end; `sys.exit` ends the process as it is."""
        self._leaving = how_it_leaves(leaving)
        if not isinstance(self._leaving, ActorExit) or not self._running:
            self._loop.stop()
