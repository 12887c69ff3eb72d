"""Who stays awake for what comes soon, and who stops doing so because others need the cores."""

from __future__ import annotations

import os
import time

import pytest
from cellray import awake
from cellray.awake import Vigil

WAIT_S = 20.0


def test_what_comes_is_found_and_what_does_not_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awake, "KEPT_S", WAIT_S)  # whatever else this machine does
    looks = iter([(), (), ("here",)])
    assert Vigil().look(lambda: next(looks), WAIT_S) == ("here",)
    assert Vigil().look(lambda: (), 0.001) is None


def test_who_loses_the_core_for_long_rests_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_yield", lambda: time.sleep(10 * awake.KEPT_S))
    looked: list[float] = []

    def look() -> bool:
        looked.append(time.monotonic())
        return False

    vigil = Vigil()
    assert vigil.look(look, WAIT_S) is None
    assert len(looked) == 1, "somebody else needs the core"
    assert vigil.look(look, WAIT_S) is None
    assert len(looked) == 1, "it still does"
    rested_until = looked[0] + 10 * awake.KEPT_S + awake.REST_S
    while time.monotonic() < rested_until + 0.05:
        vigil.look(look, WAIT_S)
    assert len(looked) > 1
    assert looked[1] >= rested_until
