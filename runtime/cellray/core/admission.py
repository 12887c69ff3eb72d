"""Who waits for room in shared memory, in which order they get it, and what is moved out for them.

Two queues. Urgent are those who stand still with something in their hands: clients that write a value, clients that
want to read one that is on disk. Behind them come arguments of tasks that have not begun, one task after another, so
that each gets all of its own. The first of a queue has blocks moved out. While only readers can make room for it,
others may take what is free, until the first has waited so long that room is kept for it: neither a large request nor
a small one waits for ever.

A request fails only when nothing has moved for long: the text says what stands in its way.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from cellray.core.arena import align
from cellray.core.blocks import RESIDENT, SPILLED, Block
from cellray.core.eviction import choose, stretches
from cellray.model.command import SpaceGranted

if TYPE_CHECKING:
    from cellray.config import Config
    from cellray.core.clients import Client
    from cellray.core.outbox import Outbox
    from cellray.core.space import SharedSpace
    from cellray.ids import ObjectId

OVERTAKERS_MAX = 32
"""So many of a queue are looked at in one pass."""
DISK_REST_S = 1.0
"""After a failed write nothing is written for so long."""
BATCH_SHARE = 4
"""At most this part of the arena is moved out at a time, unless one request needs more."""
UNLIMITED_BYTES = 1 << 62


class Request:
    """Room for `object_bytes`: to be written by `client`, or for `block` to be read back into."""

    __slots__ = ("block", "client", "object_bytes", "object_id", "since")

    def __init__(
        self, object_id: ObjectId, object_bytes: int, since: float, client: Client | None, block: Block | None
    ) -> None:
        self.object_id = object_id
        self.object_bytes = object_bytes
        self.since = since
        self.client = client
        self.block = block


class GivenUp(NamedTuple):
    """A request that waited too long; `disk` says what is wrong with the disk, if that is the reason."""

    request: Request
    disk: str


class Admission:
    """The queues. `pump` at the end of each `handle`, `expire` at each tick."""

    def __init__(self, space: SharedSpace, outbox: Outbox, config: Config) -> None:
        self.urgent: dict[Request, None] = {}
        self.staging: dict[Request, None] = {}
        self.is_stuck = False
        self._restores: dict[Block, Request] = {}
        self._space = space
        self._outbox = outbox
        self._quota_bytes = config.spill_bytes_max
        self._batch_bytes = min(config.spill_batch_bytes, space.arena.arena_bytes // BATCH_SHARE)
        self._overtake_s = config.space_overtake_ms / 1000.0
        self._space_wait_s = config.space_wait_s
        self._spill_wait_s = config.spill_wait_s
        self._moved_at = 0.0
        self._disk = ""
        self._disk_failed = ""
        self._disk_rests_until = 0.0

    def write(self, object_id: ObjectId, object_bytes: int, client: Client, at: float) -> None:
        """`client` wants to write; it gets its place now or in its turn. The arena must be large enough for it."""
        request = Request(object_id, object_bytes, at, client, None)
        if self.urgent or not self._place(request):
            client.wanted[object_id] = request
            self.urgent[request] = None

    def withdraw(self, object_id: ObjectId, client: Client) -> None:
        """`client` does not wait for this place any more."""
        request = client.wanted.pop(object_id, None)
        if request is not None:
            del self.urgent[request]

    def restore(self, block: Block, at: float, *, urgent: bool) -> None:
        """Somebody needs a block that is on disk."""
        if block.state != SPILLED:
            return
        request = self._restores.get(block)
        if request is None:
            request = self._restores[block] = Request(block.entry.object_id, block.object_bytes, at, None, block)
        if urgent:
            if request not in self.urgent:
                self.staging.pop(request, None)
                request.since = at
                self.urgent[request] = None
        elif request not in self.urgent:
            self.staging.setdefault(request)

    def pump(self, at: float) -> None:
        """Serve whom there is room for, and make room for the first that there is none for."""
        self.is_stuck = False
        self._disk = ""
        if self.urgent:
            self._serve(self.urgent, at, steals=True)
        if self.staging and not self.urgent:
            self._serve(self.staging, at, steals=False)

    def on_moved(self, at: float) -> None:
        """The disk did something."""
        self._moved_at = at

    def on_disk_failed(self, reason: str, at: float) -> None:
        """The disk refused to take a block."""
        self._disk_failed = reason
        self._disk_rests_until = at + DISK_REST_S

    def expire(self, at: float) -> GivenUp | None:
        """The first request, if it is to be given up: nothing has moved for too long. The others try again then."""
        if self._space.travelling:
            return None
        queue = self.urgent or self.staging
        request = next(iter(queue), None)
        if request is None:
            return None
        disk = self._disk or (self._disk_failed if at < self._disk_rests_until else "")
        limit_s = min(self._spill_wait_s, self._space_wait_s) if disk else self._space_wait_s
        if at - max(request.since, self._moved_at) < limit_s:
            return None
        self._leave(queue, request)
        return GivenUp(request, disk)

    def _serve(self, queue: dict[Request, None], at: float, *, steals: bool) -> None:
        first: Request | None = None
        while first is None and queue:
            for request in list(islice(queue, OVERTAKERS_MAX)):
                if request.block is not None and not self._is_wanted(request.block):
                    self._leave(queue, request)
                elif self._place(request):
                    self._leave(queue, request)
                    self._moved_at = at
                elif first is None:
                    first = request
                    waits_long = at - request.since > self._overtake_s
                    self._make_room(request, at, steals=steals or waits_long)
                    if waits_long or self._space.spilling:
                        break

    def _leave(self, queue: dict[Request, None], request: Request) -> None:
        del queue[request]
        if request.block is not None:
            del self._restores[request.block]
        elif request.client is not None:
            request.client.wanted.pop(request.object_id, None)

    def _is_wanted(self, block: Block) -> bool:
        is_known = self._space.blocks.get(block.entry.object_id) is block
        return is_known and block.state == SPILLED and bool(block.staged or block.viewers)

    def _place(self, request: Request) -> bool:
        offset = self._space.arena.allocate(request.object_bytes)
        if offset is None:
            return False
        if request.block is not None:
            self._space.restore(request.block, offset)
        elif request.client is not None:
            request.client.granted[request.object_id] = offset
            self._outbox.send(request.client, SpaceGranted(request.object_id, offset))
        return True

    def _make_room(self, request: Request, at: float, *, steals: bool) -> None:
        """Have blocks moved out, unless some are on their way already."""
        space = self._space
        if space.spilling:
            return
        if at < self._disk_rests_until:
            self._disk = self._disk_failed
            return
        movable = {
            block.offset: block
            for block in space.blocks.values()
            if block.state == RESIDENT and not block.pins and (steals or not block.staged)
        }
        pieces = stretches(
            space.arena.blocks(), space.arena.gaps(), {offset: block.used for offset, block in movable.items()}
        )
        wanted_bytes = align(request.object_bytes)
        room_bytes = self._quota_bytes - space.disk_bytes
        if request.block is None:
            # Else both could be full, and nothing on disk could be read any more: to read, something must be written.
            room_bytes -= max((block.object_bytes for block in space.blocks.values()), default=0)
        chosen = choose(pieces, max(wanted_bytes, self._batch_bytes), room_bytes)
        chosen = chosen or choose(pieces, wanted_bytes, room_bytes)
        for offset in chosen:
            space.spill(movable[offset])
        if chosen:
            return
        if choose(pieces, wanted_bytes, UNLIMITED_BYTES):
            self._disk = f"the {self._quota_bytes} bytes that may be taken on disk are used up"
        elif not steals:
            return
        self.is_stuck = True
