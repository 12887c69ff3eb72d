"""What one `handle` decided, gathered so that each client gets one frame's worth and the log one append."""

from __future__ import annotations

from cellray.core.clients import Client
from cellray.ids import ClientId, ObjectId, TaskId
from cellray.model.command import (
    AppendFacts,
    ClientCommand,
    Command,
    DropCheckpoints,
    DropSpilled,
    FindHistory,
    KillWorker,
    ObjectsReady,
    ReadOutput,
    RegisterFunctions,
    RestoreObjects,
    Send,
    Spill,
    SpillObjects,
    StartWorkers,
)
from cellray.model.fact import LoggedFact, ObjectsFreed
from cellray.model.object import ObjectValue
from cellray.model.task import Function


class Outbox:
    """Derived facts, values and commands, until `flush` makes the command list of them.

    Of `freed`, so many were looked at already by who must know (`core/actors.py`): `freed_seen`.
    """

    def __init__(self) -> None:
        self.facts: list[LoggedFact] = []
        self.freed: list[ObjectId] = []
        self.freed_seen = 0
        self.functions: list[Function] = []
        self.spills: list[Spill] = []
        self.restores: list[Spill] = []
        self.dropped_files: list[int] = []
        self.dropped_checkpoints: list[str] = []
        self.questions: list[tuple[TaskId, ...]] = []
        self._receivers: list[Client] = []
        self._sends: list[tuple[Client, ClientCommand]] = []
        self._kills: list[KillWorker] = []
        self._reads: list[ReadOutput] = []
        self._start_count = 0

    def deliver(self, client: Client, object_id: ObjectId, value: ObjectValue) -> None:
        """A value for a client that owns the object or asked for it."""
        if not client.outbox:
            self._receivers.append(client)
        client.outbox.append((object_id, value))

    def send(self, client: Client, command: ClientCommand) -> None:
        """Any other command for a client."""
        self._sends.append((client, command))

    def kill(self, worker_id: ClientId, reason: str) -> None:
        """End a worker's process."""
        self._kills.append(KillWorker(worker_id, reason))

    def read_output(self, worker_id: ClientId, task_id: TaskId, *, to_the_end: bool) -> None:
        """Read what a worker's process wrote past Python."""
        self._reads.append(ReadOutput(worker_id, task_id, to_the_end))

    def start_workers(self, count: int) -> None:
        """Start `count` workers more."""
        self._start_count += count

    def flush(self, at: float) -> list[Command]:
        """Everything gathered since the last time: facts for the log first, then what is sent, then processes."""
        commands: list[Command] = []
        if self.freed:
            self.facts.append(ObjectsFreed(self.freed, at))
            self.freed = []
            self.freed_seen = 0
        if self.facts:
            commands.append(AppendFacts(self.facts))
            self.facts = []
        if self.functions:
            commands.append(RegisterFunctions(self.functions))
            self.functions = []
        if self._receivers:
            for client in self._receivers:
                if client.alive:
                    commands.append(Send(client.client_id, ObjectsReady(client.outbox)))
                client.outbox = []
            self._receivers = []
        if self._sends:
            for client, command in self._sends:
                if client.alive:
                    commands.append(Send(client.client_id, command))
            self._sends = []
        if self._kills or self._start_count:
            commands.extend(self._kills)
            self._kills = []
            if self._start_count:
                commands.append(StartWorkers(self._start_count))
                self._start_count = 0
        if self._reads:
            commands.extend(self._reads)
            self._reads = []
        if self.questions:
            commands += [FindHistory(task_ids) for task_ids in self.questions]
            self.questions = []
        if self.spills or self.restores or self.dropped_files or self.dropped_checkpoints:
            self._flush_disk(commands)
        return commands

    def _flush_disk(self, commands: list[Command]) -> None:
        """What makes room on the disk first."""
        if self.dropped_files:
            commands.append(DropSpilled(self.dropped_files))
            self.dropped_files = []
        if self.dropped_checkpoints:
            commands.append(DropCheckpoints(self.dropped_checkpoints))
            self.dropped_checkpoints = []
        if self.spills:
            commands.append(SpillObjects(self.spills))
            self.spills = []
        if self.restores:
            commands.append(RestoreObjects(self.restores))
            self.restores = []
