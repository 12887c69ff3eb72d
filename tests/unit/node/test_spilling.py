"""Orders to move objects are answered each, whatever happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cellray.clock import SystemClock
from cellray.ids import ObjectId
from cellray.model.command import Spill
from cellray.model.fact import LoggedFact, ObjectRestored, ObjectSpilled, SpillFailed
from cellray.node.spilling import Spilling
from cellray.store.memory import MemorySpill, MemoryStore

A = ObjectId(b"a" * 20)
ARENA_BYTES = 1000


async def answers(store: MemorySpill, orders: Sequence[Spill], restored: Sequence[Spill]) -> list[LoggedFact]:
    spilling = Spilling(store, "", SystemClock(), asyncio.get_running_loop())
    told: list[LoggedFact] = []
    all_here = asyncio.Event()

    def report(facts: Sequence[LoggedFact]) -> None:
        told.extend(facts)
        if len(told) == len(orders) + len(restored):
            all_here.set()

    spilling.report = report
    spilling.spill(orders)
    spilling.restore(restored)
    await asyncio.wait_for(all_here.wait(), 10)
    spilling.close()
    return told


def test_what_nobody_thought_of_is_an_answer_too() -> None:
    fine, outside = Spill(1, A, 0, 100), Spill(2, A, ARENA_BYTES, 100)
    back = Spill(1, A, ARENA_BYTES, 100)
    store = MemorySpill(MemoryStore(ARENA_BYTES))
    told = asyncio.run(answers(store, [fine, outside], [back, fine]))
    assert [type(fact) for fact in told] == [ObjectSpilled, SpillFailed, SpillFailed, ObjectRestored]
    assert [fact.restoring for fact in told if isinstance(fact, SpillFailed)] == [False, True]
    assert all("outside of the arena" in fact.reason for fact in told if isinstance(fact, SpillFailed))
