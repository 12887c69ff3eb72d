"""Actors that lose no state: they die at every point of their lives, and nobody who calls them can tell."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path
from typing import Any

import cellray
import pytest

from tests.helpers.accounts import KINDS, arm

pytestmark = pytest.mark.usefixtures("session")
WAIT_S = 60
CALLS = 12
BEFORE = 7
"""So many calls have ended when the trouble begins: one checkpoint was made, and some calls came after it."""


def kill_idle(actor: Any) -> None:
    os.kill(cellray.get(actor.pid.remote(), timeout=WAIT_S), signal.SIGKILL)


def noted(folder: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in folder.glob("noted-*"))


DEATHS = [
    {},
    {"begin": 1},
    {"begin": 3},
    {"end": 1},
    {"end": 3},
    {"begin": 1, "end": 1},
    {"checkpoint": 1},
    {"end": 1, "constructor": 1},
    {"end": 1, "constructor": 2},
    {"end": 1, "restore": 1},
    {"end": 1, "restore": 2, "checkpoint": 1},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("deaths", DEATHS, ids=lambda deaths: "+".join(f"{k}{v}" for k, v in deaths.items()) or "idle")
def test_nobody_can_tell_that_it_died(kind: str, deaths: dict[str, int], tmp_path: Path) -> None:
    actor = KINDS[kind].remote(str(tmp_path))
    sums = list(itertools.accumulate(range(CALLS)))
    early = [actor.add.remote(entry) for entry in range(BEFORE)]
    assert cellray.get(early, timeout=WAIT_S) == sums[:BEFORE]
    if kind == "demand":
        assert cellray.get(actor.__cellray_checkpoint__.remote(), timeout=WAIT_S) > 0
    arm(tmp_path, **deaths)
    if not deaths:
        kill_idle(actor)
    late = [actor.add.remote(entry) for entry in range(BEFORE, CALLS)]
    assert cellray.get(late, timeout=WAIT_S) == sums[BEFORE:]
    kill_idle(actor)
    assert cellray.get(actor.seen.remote(), timeout=WAIT_S) == list(range(CALLS))
    assert cellray.get(early, timeout=WAIT_S) == sums[:BEFORE]
    assert noted(tmp_path) == list(range(CALLS)), "what its calls submit has run once"
    assert len(list(tmp_path.glob("seen-*"))) == 1, "a read-only method does not run again"
