"""Who stays awake for what comes soon, and who does so no more because it was in vain."""

from __future__ import annotations

import time

import pytest
from cellray.awake import REST_S_MAX, REST_S_MIN, Vigil

WAIT_S = 20.0


class Clock:
    """Time passes with each look at it."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        self.now += 0.00001
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made.monotonic)
    return made


def test_what_comes_is_found_at_once(clock: Clock) -> None:
    looks = iter([(), (), ("here",)])
    assert Vigil().look(lambda: next(looks), WAIT_S) == ("here",)


def test_who_has_waited_in_vain_rests_longer_each_time_until_it_pays_again(clock: Clock) -> None:
    vigil = Vigil()

    def rests() -> float:
        """Fail once, and see how long it is until it looks again."""
        assert vigil.look(lambda: False, 0.0001) is None
        began = clock.now
        looked: list[float] = []
        while not looked:
            clock.now += 0.00005
            vigil.look(lambda: looked.append(clock.now) or True, 0.0001)  # type: ignore[func-returns-value]
            if looked:
                return looked[0] - began
        raise AssertionError

    assert rests() == pytest.approx(REST_S_MIN, abs=0.00015)
    for _ in range(10):
        clock.now += 1.0
        assert vigil.look(lambda: False, 0.0001) is None
    clock.now += 1.0
    assert rests() == pytest.approx(REST_S_MAX, abs=0.00015)
    for _ in range(100):
        clock.now += 1.0
        assert vigil.look(lambda: True, 0.0001)
    assert rests() == pytest.approx(REST_S_MIN, abs=0.00015)
