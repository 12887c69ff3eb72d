"""Calls and tasks that reach a process over direct lines; see `client/direct_line.py`."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from cellray.client.direct_line import CallEnded, CallSent, DirectLine, LineOpened, LineShut, NodeTold
from cellray.ids import ClientId, TaskId
from cellray.model.command import OpenDirectLine
from cellray.model.fact import (
    DirectCall,
    DirectCallsMade,
    DirectLinesShut,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TasksReturned,
)
from cellray.model.task import TaskAssignment
from cellray.worker.desk import Desk
from cellray.worker.execute import INLINE

CONNECT_S = 1.0
"""The caller listens already, or is gone."""


LineKey = tuple[ClientId, int]
"""The caller, and which of its lines."""


class UnderWay(NamedTuple):
    """A call that has not ended, and where it came from."""

    line: DirectLine
    call: DirectCall


class DirectCalls:
    """The lines of one process. `take` is given each call, before all that is queued: its caller has nothing else here.
    `watch` and `unwatch` see to it that a line is read.

    Whoever does anything here has `_lock`: `shut` may come on another thread."""

    def __init__(
        self,
        desk: Desk,
        take: Callable[[TaskAssignment], None],
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], object],
    ) -> None:
        self._desk = desk
        self._channel = desk.engine.channel
        self._worker_id = desk.engine.client_id
        self._take = take
        self._watch = watch
        self._unwatch = unwatch
        self._lock = threading.Lock()
        self._lines: dict[LineKey, DirectLine] = {}
        self._tickets: dict[DirectLine, int] = {}
        """Of the lines over which we take tasks."""
        self._ended: dict[DirectLine, tuple[DirectCall, TaskFinished]] = {}
        """What went over each line last: its caller may have told the node of it meanwhile."""
        self.under_way: dict[bytes, UnderWay] = {}

    def open(self, command: OpenDirectLine) -> None:
        """A caller wants to talk to us."""
        key = command.caller, command.line
        with self._lock:
            line = self._lines.get(key)
            try:
                if line is None:
                    line = self._connect(key, command.address)
                if command.is_for_tasks:
                    self._tickets[line] = command.ticket
                line.send(LineOpened(command.ticket, self._worker_id))
            except OSError:
                if line is not None:
                    self._drop(key, line)

    def shut(self) -> None:
        """Nobody gives us tasks any more. The node is told, after what it must know of those that we have."""
        with self._lock:
            with contextlib.suppress(OSError):  # we have its line no more when we look at it next
                for task_id, (line, _) in self.under_way.items():
                    if line in self._tickets:
                        line.send(NodeTold(TaskId(task_id)))
            self.under_way = {
                task_id: under_way
                for task_id, under_way in self.under_way.items()
                if under_way.line not in self._tickets
            }
            for line, ticket in self._tickets.items():
                with contextlib.suppress(OSError):
                    line.send(LineShut(ticket))
            self._tickets.clear()
            self._channel.add(DirectLinesShut([end for _, end in self._ended.values()]))
            self._ended.clear()

    def look(self) -> None:
        """Read what has come: before a call that came by the node, which its caller may have made later."""
        for key, line in list(self._lines.items()):
            if line.poll.poll(0):
                self._read(key, line)

    def end(self, fact: TaskFinished | TaskFailed | TaskCancelled) -> bool:
        """Send the end of a call over its line; False when it is for the node: it is another call, it has failed, or
        the node has heard of it or must."""
        task_id = fact.task_id
        if task_id not in self.under_way:
            return False
        channel = self._channel
        channel.before_flush(all_of_it=False)
        outgoing = channel.outgoing
        with self._lock:
            line, call = self.under_way.pop(task_id, (None, None))
            if line is None or call is None:
                return False  # `shut` has told the node
            try:
                if (
                    isinstance(fact, TaskFinished)
                    and _is_plain(fact)
                    and not outgoing.items
                    and outgoing.withdraw(call)
                ):
                    self._ended[line] = call, fact
                    line.send(CallEnded(fact))
                    return True
                line.send(NodeTold(task_id))
            except OSError:
                outgoing.calls.append(call)  # if the node has heard of it already it does not mind
            return False

    def give_back(self, task_id: bytes) -> None:
        """The call has not begun, and the node is given it."""
        with self._lock:
            self._give_back(task_id)

    def _give_back(self, task_id: bytes) -> None:
        under_way = self.under_way.pop(task_id, None)
        if under_way is not None:
            with contextlib.suppress(OSError):
                under_way.line.send(NodeTold(TaskId(task_id)))

    def _connect(self, key: LineKey, address: str) -> DirectLine:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_S)
            connection.connect(address)
            connection.settimeout(None)
        except OSError:
            connection.close()
            raise
        line = DirectLine(connection, self._desk.engine.config.frame_bytes_max)
        self._lines[key] = line
        self._watch(connection.fileno(), lambda: self._read(key, line))
        return line

    def _read(self, key: LineKey, line: DirectLine) -> None:
        with self._lock:
            for message in line.read():
                if isinstance(message, CallSent):
                    if not message.ticket or message.ticket == self._tickets.get(line):
                        self._begin(line, message.call)
                elif isinstance(message, NodeTold):
                    self._node_told(line, message.task_id)
            if line.is_closed:
                self._drop(key, line)

    def _begin(self, line: DirectLine, call: DirectCall) -> None:
        spec = call.spec
        task = TaskAssignment(call.task_id, spec.template_id, spec.args)
        self.under_way[call.task_id] = UnderWay(line, call)
        self._channel.outgoing.calls.append(call)
        if self._desk.knows(task):
            self._take(task)
        else:  # we are not the process that its caller has talked to before
            self._give_back(call.task_id)
            self._channel.add(TasksReturned(self._worker_id, time.time(), [call.task_id]))

    def _node_told(self, line: DirectLine, task_id: TaskId) -> None:
        """Its caller does not wait at the line any more."""
        if self.under_way.pop(task_id, None) is not None:
            return
        call, end = self._ended.get(line, (None, None))
        if call is not None and end is not None and call.task_id == task_id:
            del self._ended[line]
            self._channel.add(DirectCallsMade([call]))
            self._channel.add(end)

    def _drop(self, key: LineKey, line: DirectLine) -> None:
        """The caller has gone, or has too many lines. What it has called ends by the node."""
        self._lines.pop(key, None)
        self._tickets.pop(line, None)
        self._ended.pop(line, None)
        if line.socket.fileno() >= 0:
            self._unwatch(line.socket.fileno())
        line.close()
        for task_id in [task_id for task_id, under_way in self.under_way.items() if under_way.line is line]:
            del self.under_way[task_id]


def _is_plain(fact: TaskFinished) -> bool:
    """Whether nobody but the caller has to do with the result."""
    value = fact.values[0]
    return value.kind == INLINE and not value.contained
