"""How long results are left to gather, by how they come."""

from __future__ import annotations

import pytest
from cellray.client.gathering import ENOUGH, PAUSE_S_MAX, PAUSE_S_MIN, SHARE_OF_REST, Gathering


class Waiting:
    """A wait for so many results, and its clock."""

    def __init__(self, missing: int) -> None:
        self.missing = missing
        self.now = 100.0
        self.gathering = Gathering(lambda: self.missing, lambda: self.now)

    def read(self, came: int, after_s: float) -> float:
        self.missing -= came
        self.now += after_s
        return self.gathering.pause_s()


@pytest.mark.parametrize(
    ("missing", "came", "after_s", "pause_s"),
    [
        (1000, 1, 0.005, PAUSE_S_MAX),
        (61, 1, 0.002, 60 * 0.002 * SHARE_OF_REST),
        (1000, ENOUGH, 0.005, 0.0),
        (1000, 0, 0.005, 0.0),
        (1_000_000, ENOUGH - 1, 0.00001, PAUSE_S_MAX),
        (1000, 1, 0.00002, 0.0),
        (2, 1, 0.01, 0.0),
        (3, 2, 10.0, PAUSE_S_MAX),
        (1, 1, 0.01, 0.0),
    ],
    ids=[
        "one by one, many missing",
        "a share of what the rest will take",
        "many at once",
        "something else came",
        "fast, and more than can be imagined",
        "so fast that a pause is not worth it",
        "the last but one of short tasks",
        "the last one of long tasks",
        "the last one",
    ],
)
def test_the_pause_is_short_beside_the_rest(missing: int, came: int, after_s: float, pause_s: float) -> None:
    assert Waiting(missing).read(came, after_s) == pytest.approx(pause_s)


def test_what_has_sped_up_is_not_slept_through_and_what_slows_down_may_be_a_while() -> None:
    waiting = Waiting(200)
    assert waiting.read(1, 1.0) == PAUSE_S_MAX
    assert waiting.read(4, 0.002) == pytest.approx(195 * 0.0005 * SHARE_OF_REST), "five a second, but now two thousand"
    waiting = Waiting(200)
    assert waiting.read(5, 0.001) == pytest.approx(195 * 0.0002 * SHARE_OF_REST)
    assert waiting.read(1, 1.0) > PAUSE_S_MIN


def test_towards_the_end_there_is_no_pause() -> None:
    """As they are read: after the pause, all that came in it, at one in 5 ms."""
    waiting = Waiting(100)
    pauses = []
    while waiting.missing:
        pauses.append(waiting.read(1, 0.005))
        came = min(int(pauses[-1] / 0.005), max(waiting.missing - 1, 0))
        waiting.missing -= came
        waiting.now += came * 0.005
    assert max(pauses) == PAUSE_S_MAX
    assert pauses[-5:] == [0.0] * 5
