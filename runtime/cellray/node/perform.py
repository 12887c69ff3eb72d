"""Carries out what the core decided, in the order given; one frame for each client and call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from cellray.ids import ClientId, TaskId
from cellray.model.command import (
    AppendFacts,
    ClientCommand,
    Command,
    DropCheckpoints,
    DropSpilled,
    FindHistory,
    KillWorker,
    ReadOutput,
    RegisterFunctions,
    RestoreObjects,
    Send,
    SpillObjects,
    StartWorkers,
    command_encoder,
)
from cellray.model.fact import LoggedFact
from cellray.model.task import Function
from cellray.node.connection import ClientConnection
from cellray.node.spilling import Spilling
from cellray.ports import WorkerPool
from cellray.wire import FrameKind, pack_frame

log = logging.getLogger(__name__)
COMMANDS: Final[int] = FrameKind.COMMANDS.value
"""A plain integer: looking a member up runs Python code."""


class Performer:
    """Has hands but no opinion: connections, the pool, the log's buffer and the disk."""

    def __init__(
        self,
        clients: Mapping[ClientId, ClientConnection],
        pool: WorkerPool,
        append: Callable[[Sequence[LoggedFact]], None],
        register: Callable[[Sequence[Function]], None],
        spilling: Spilling,
        read_output: Callable[[ReadOutput], None],
        find_history: Callable[[tuple[TaskId, ...]], None],
    ) -> None:
        self._clients = clients
        self._pool = pool
        self._append = append
        self._register = register
        self._spilling = spilling
        self._read_output = read_output
        self._find_history = find_history

    def perform(self, commands: Sequence[Command]) -> None:
        """Facts first into the log's buffer, as `model.command` demands, then what leaves this process."""
        frames: dict[ClientId, list[ClientCommand]] = {}
        for command in commands:
            kind = type(command)
            if kind is Send:
                frames.setdefault(command.client_id, []).append(command.command)  # type: ignore[union-attr]
            elif kind is AppendFacts:
                self._append(command.facts)  # type: ignore[union-attr]
            elif kind is RegisterFunctions:
                self._register(command.functions)  # type: ignore[union-attr]
            elif kind is StartWorkers:
                self._pool.start(command.count)  # type: ignore[union-attr]
            elif kind is KillWorker:
                self._kill(command)  # type: ignore[arg-type]
            elif kind is DropSpilled:
                self._spilling.drop(command.spill_ids)  # type: ignore[union-attr]
            elif kind is SpillObjects:
                self._spilling.spill(command.objects)  # type: ignore[union-attr]
            elif kind is RestoreObjects:
                self._spilling.restore(command.objects)  # type: ignore[union-attr]
            elif kind is DropCheckpoints:
                self._spilling.drop_checkpoints(command.files)  # type: ignore[union-attr]
            elif kind is ReadOutput:
                self._read_output(command)  # type: ignore[arg-type]
            elif kind is FindHistory:
                self._find_history(command.task_ids)  # type: ignore[union-attr]
        for client_id, client_commands in frames.items():
            self._send(client_id, client_commands)

    def send(self, command: Send) -> None:
        """Just this, now."""
        self._send(command.client_id, [command.command])

    def _send(self, client_id: ClientId, commands: list[ClientCommand]) -> None:
        client = self._clients.get(client_id)
        if client is not None:
            client.send(pack_frame(COMMANDS, command_encoder.encode(commands)))

    def _kill(self, command: KillWorker) -> None:
        client = self._clients.get(command.worker_id)
        if client is not None:
            log.info("killing worker %d (pid %d): %s", command.worker_id, client.hello.pid, command.reason)
            self._pool.kill(client.hello.pid)
