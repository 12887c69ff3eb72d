"""The node's core under random load and random faults.

`SIM_SEED=7 SIM_FACTS=1000000 pytest tests/sim` replays one seed, as long as wanted. The quick invariants are checked
after every frame, the full ones after every 500th; at the end everything must have come to rest and be given back.
"""

from __future__ import annotations

import os

import pytest

from tests.sim.twins import Twins
from tests.sim.world import World

SEEDS = [int(os.environ["SIM_SEED"])] if "SIM_SEED" in os.environ else [1, 2, 3]
FACTS = int(os.environ.get("SIM_FACTS", "80000"))


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_ends_once_and_is_given_back(seed: int) -> None:
    world = World(seed)
    print(f"SIM_SEED={seed} SIM_FACTS={FACTS}")  # noqa: T201 - shown when the test fails, to replay it
    world.run(FACTS)
    for kind in ("ObjectSpilled", "ObjectRestored", "SpillFailed"):
        assert world.kinds[kind] * 10_000 >= FACTS, f"the simulated disk had too little to do: {world.kinds}"
    assert world.refusals["write"], "nobody was ever refused room"
    for kind in ("ObjectLost", "ObjectReconstructed", "ResultRecalled"):
        assert world.kinds[kind], f"too little was lost: {world.kinds}"
    for kind in ("ActorStarted", "ActorDied", "ActorExited", "ActorKillRequested", "ActorNameRequested"):
        assert world.kinds[kind], f"the simulated actors had too little to do: {world.kinds}"
    assert world.actors.restarted, "no actor was restarted"
    rebuilt = (world.histories.replays, world.histories.checkpoints, world.kinds["CheckpointFailed"])
    assert all(rebuilt), f"actors that lose no state had too little to lose: {rebuilt}"


def test_a_seed_replays_exactly() -> None:
    first, second = World(5), World(5)
    first.run(3000)
    second.run(3000)
    assert (first.event_count, first.kinds, first.at) == (second.event_count, second.kinds, second.at)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_sent_ahead_is_what_would_have_been_sent(seed: int) -> None:
    world = Twins(seed)
    world.run(FACTS // 4)
    assert world.ahead["TasksAssigned"] * 1000 >= FACTS // 4, f"too little was sent ahead: {world.ahead}"
    assert world.ahead["ObjectsReady"] * 1000 >= FACTS // 4, f"too little was sent ahead: {world.ahead}"
