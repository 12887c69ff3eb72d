"""Clients: connections that hold objects, write into the arena and get values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.ids import ClientId, ObjectId
from cellray.model.object import ObjectValue

if TYPE_CHECKING:
    from cellray.core.admission import Request
    from cellray.core.blocks import Block
    from cellray.core.objects import ObjectEntry
    from cellray.core.tasks import Job
    from cellray.core.workers import Worker


class Client:
    """A driver or worker. `job` is the driver's, or that of the task that the worker ran last.

    `held` are the objects it refers to, `views` those that it reads or wants to, `granted` the arena offsets it may
    write to and has not sealed, `wanted` the requests for such that wait, `outbox` the values that go to it at the end
    of this `handle`, `kept` the workers that are kept for a driver. Dicts, not sets: their order does not depend on
    hash seeds.
    """

    __slots__ = ("alive", "client_id", "granted", "held", "job", "kept", "outbox", "views", "wanted")

    def __init__(self, client_id: ClientId, job: Job | None = None) -> None:
        self.client_id = client_id
        self.alive = True
        self.job = job
        self.held: dict[ObjectId, ObjectEntry] = {}
        self.views: dict[ObjectId, Block] = {}
        self.granted: dict[ObjectId, int] = {}
        self.wanted: dict[ObjectId, Request] = {}
        self.kept: dict[Worker, None] = {}
        self.outbox: list[tuple[ObjectId, ObjectValue]] = []
