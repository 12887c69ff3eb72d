"""Two cores that get the same facts: one that may send ahead of its books, and one that never does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from cellray.core.node_scheduler import NodeScheduler
from cellray.ids import ClientId, NodeId
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.history import HistoryFound

from tests.sim.world import World


class Twins(World):
    """A world in which every decision of its core is compared with the twin's. `ahead` counts by kind of command."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        pool, arena = self.core._pool, self.core._objects.arena
        self.twin = NodeScheduler(NodeId(self.core.node_id), tuple(pool.total.items()), arena.arena_bytes, self.config)
        self.ahead: Counter[str] = Counter()

    def _decide(self, facts: Sequence[f.Fact | HistoryFound], source: ClientId) -> list[c.Command]:
        expected = self.twin.handle(facts, source, self.at)
        decided = super()._decide(facts, source)
        assert by_receiver(decided) == by_receiver(expected), f"event {self.event_count}: {facts}"
        assert self.core._dispatcher.sent_ahead is None, f"event {self.event_count}: {facts}"
        if len(decided) > len(expected) or (decided and decided[0] != expected[0]):
            first = decided[0]
            assert isinstance(first, c.Send)
            self.ahead[type(first.command).__name__] += 1
        return decided


def by_receiver(commands: Sequence[c.Command]) -> dict[Any, list[Any]]:
    """What each client gets, objects one by one in any order; and everything that is no message."""
    told: dict[Any, list[Any]] = {}
    for command in commands:
        if not isinstance(command, c.Send):
            told.setdefault(type(command), []).append(command)
        elif isinstance(command.command, c.ObjectsReady):
            told.setdefault((command.client_id, "objects"), []).extend(command.command.objects)
        else:
            told.setdefault(command.client_id, []).append(command.command)
    for client, objects in told.items():
        if isinstance(client, tuple):
            objects.sort(key=lambda pair: pair[0])
    return told
