"""What the node is told about shared memory: requests for room and views by clients, answers of the disk, time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cellray.core import failures
from cellray.core.arena import align
from cellray.core.transitions import WAITING
from cellray.core.views import Views
from cellray.core.workers import Worker
from cellray.model import fact as f
from cellray.model.command import RecallViews, SpaceGranted
from cellray.model.object import Failure, encode_failure

if TYPE_CHECKING:
    from cellray.core.admission import Request
    from cellray.core.blocks import Block
    from cellray.core.clients import Client
    from cellray.core.dispatcher import Dispatcher
    from cellray.core.objects import ObjectTable
    from cellray.core.outbox import Outbox
    from cellray.core.task_table import TaskTable
    from cellray.ids import ClientId

Handler = Callable[[Any, "Client", float], None]
RECALL_S = 0.02
"""While somebody waits for room, clients are asked again after so long: what they read meanwhile may linger too."""


class MemoryManager:
    """Handlers for `node_scheduler`, and what it calls at the end of each `handle` and at each tick."""

    def __init__(
        self,
        objects: ObjectTable,
        tasks: TaskTable,
        dispatcher: Dispatcher,
        outbox: Outbox,
        clients: Mapping[ClientId, Client],
        ignored: Counter[str],
    ) -> None:
        self.views = Views(objects, outbox)
        self._objects = objects
        self._space = objects.space
        self._admission = objects.admission
        self._tasks = tasks
        self._dispatcher = dispatcher
        self._outbox = outbox
        self._clients = clients
        self._ignored = ignored
        self._recalled_at = 0.0

    def shell_handlers(self) -> dict[type, Handler]:
        """For facts that the node itself reports."""
        return {
            f.ObjectSpilled: self._on_object_spilled,
            f.ObjectRestored: self._on_object_restored,
            f.SpillFailed: self._on_spill_failed,
        }

    def client_handlers(self) -> dict[type, Handler]:
        """For facts of drivers and workers."""
        return {
            f.SpaceRequested: self._on_space_requested,
            f.SpaceReturned: self._on_space_returned,
            f.ViewsRequested: self._on_views_requested,
            f.ViewsHeld: self._on_views_held,
            f.ViewsReleased: self._on_views_released,
        }

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits for room, or the disk is at work: `pump`, and ticks, are needed."""
        return bool(self._admission.urgent or self._admission.staging)

    def pump(self, at: float) -> None:
        """Give room to those who wait for it. Where there is none, ask for what clients keep for no present reason."""
        self._admission.pump(at)
        if self.is_waiting and at - self._recalled_at >= RECALL_S:
            self._recalled_at = at
            for client in self._clients.values():
                if client.views:
                    self._outbox.send(client, RecallViews())

    def release_all(self, client: Client) -> None:
        """`client` is gone: what it read may be moved, what it wanted to write is not waited for."""
        self.views.release_all(client)

    def on_tick(self, at: float) -> None:
        """Give up what has waited too long; have tasks back that were read ahead for."""
        if not self.is_waiting:
            return
        if self._admission.is_stuck and self._admission.urgent:
            for client in list(self._clients.values()):
                if isinstance(client, Worker) and any(task.views for task in list(client.queue)[1:]):
                    self._dispatcher.reclaim(client)
        given_up = self._admission.expire(at)
        if given_up is not None:
            self._give_up(given_up.request, given_up.disk, at)

    def _on_space_requested(self, fact: f.SpaceRequested, client: Client, at: float) -> None:
        self._objects.grant(fact.object_id, fact.object_bytes, client, at)

    def _on_space_returned(self, fact: f.SpaceReturned, client: Client, at: float) -> None:
        self._objects.ungrant(fact.object_id, client)

    def _on_views_requested(self, fact: f.ViewsRequested, client: Client, at: float) -> None:
        self.views.request(fact.object_ids, fact.ticket, client, at)

    def _on_views_held(self, fact: f.ViewsHeld, client: Client, at: float) -> None:
        if not self.views.hold(fact.object_ids, client):
            self._ignored[type(fact).__name__] += 1

    def _on_views_released(self, fact: f.ViewsReleased, client: Client, at: float) -> None:
        if isinstance(client, Worker) and client.actor is not None and client.actor.death is not None:
            return  # it reads arguments of calls that were taken from it: all ends with its process
        self.views.release(fact.object_ids, client)

    def _on_object_spilled(self, fact: f.ObjectSpilled, client: Client, at: float) -> None:
        block = self._space.on_spilled(fact)
        self._admission.on_moved(at)
        if block is not None and block.is_readable:
            # Somebody began to read it meanwhile: it stays, and the log is told so.
            self._outbox.facts.append(f.ObjectRestored(fact.object_id, fact.spill_id, fact.object_bytes, at))

    def _on_object_restored(self, fact: f.ObjectRestored, client: Client, at: float) -> None:
        block = self._space.on_restored(fact)
        self._admission.on_moved(at)
        if block is not None:
            self._settle(block)

    def _on_spill_failed(self, fact: f.SpillFailed, client: Client, at: float) -> None:
        block = self._space.on_failed(fact)
        if not fact.restoring:
            self._admission.on_disk_failed(fact.reason, at)
        if block is not None:
            self._objects.recovery.lost(fact.object_id, at)

    def _settle(self, block: Block) -> None:
        """The block is back: tell those who want to read it, and the tasks that it is an argument of."""
        entry = block.entry
        if entry.waiters is not None:
            self._objects.resolved.append(entry)
        self.views.arrived(block)

    def _give_up(self, request: Request, disk: str, at: float) -> None:
        arena = self._space.arena
        text = failures.no_space_text(
            request.object_bytes,
            arena.arena_bytes,
            arena.used_bytes,
            arena.largest_gap_bytes,
            self._holders(),
            disk,
        )
        block = request.block
        if block is None:
            assert request.client is not None, "a request is for a client or a block"
            self._outbox.send(request.client, SpaceGranted(request.object_id, 0, text))
            return
        failure = encode_failure(Failure("store_full", text))
        for task in block.entry.waiters or ():
            if task.state == WAITING:
                self._tasks.fail(task, failure, "there was no room for its arguments", at)
        self.views.refuse(block, failure)

    def _holders(self) -> list[str]:
        """Who keeps how much in its place, in words, the largest first."""
        told: list[tuple[int, str]] = []
        for client in self._clients.values():
            name = f"worker process {client.pid}" if isinstance(client, Worker) else "the driver"
            viewed = sum(align(block.object_bytes) for block in client.views.values() if block.is_readable)
            if viewed:
                told.append((viewed, f"{name} reads {failures.megabytes(viewed)}"))
            if isinstance(client, Worker):
                blocks = {block for task in client.queue for block in task.views}
                arguments = sum(align(block.object_bytes) for block in blocks)
                if arguments:
                    told.append((arguments, f"{name} has {failures.megabytes(arguments)} as arguments of its tasks"))
            blocks_bytes = self._space.arena.blocks()
            written = sum(blocks_bytes[offset] for offset in client.granted.values())
            if written:
                told.append((written, f"{name} is writing {failures.megabytes(written)}"))
        return [words for _, words in sorted(told, reverse=True)[:5]]
