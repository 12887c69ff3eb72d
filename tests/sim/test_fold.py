"""The fold of any prefix of a log is the live state at that moment: seeded worlds, compared after every frame.

`SIM_SEED=7 FOLD_FACTS=100000 pytest tests/sim/test_fold.py` replays one seed, as long as wanted.
"""

from __future__ import annotations

import os

import pytest

from tests.sim.folded import FoldedWorld

SEEDS = [int(os.environ["SIM_SEED"])] if "SIM_SEED" in os.environ else [1, 2, 3, 4]
FACTS = int(os.environ.get("FOLD_FACTS", "4000"))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_fold_of_each_prefix_is_the_state_of_the_core(seed: int) -> None:
    world = FoldedWorld(seed)
    world.run(FACTS)
    totals = world.fold.totals()
    assert totals["finished"] > FACTS / 40, "the world had too little to do"
    assert totals.keys() <= {"finished", "failed", "cancelled", "lost"}, "at the end all has ended"
    assert {"failed", "cancelled"} <= totals.keys()
