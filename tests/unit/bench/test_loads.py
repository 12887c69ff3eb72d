"""Rates and indices that the loads compute."""

from __future__ import annotations

import time

import pytest

from tests.bench.loads.fairness import jain
from tests.bench.loads.mixed import spin
from tests.bench.loads.rates import rate, throughput


def test_throughput_runs_as_many_as_fit() -> None:
    counts: list[int] = []

    def run(count: int) -> None:
        counts.append(count)
        time.sleep(count * 1e-4)

    assert throughput(run, 0.02) < 10_000
    assert counts[:4] == [1, 1, 2, 4]
    assert counts[-1] > counts[-2]


def test_what_takes_longer_than_the_time_runs_once() -> None:
    counts: list[int] = []

    def run(count: int) -> None:
        counts.append(count)
        time.sleep(0.02)

    throughput(run, 0.01)
    assert counts == [1, 1, 1]


def test_a_rate_is_calls_a_second() -> None:
    assert 0 < rate(lambda: time.sleep(0.001), 0.01) <= 1000


@pytest.mark.parametrize(("shares", "index"), [([5, 5], 1.0), ([7, 0], 0.5), ([3, 1], 0.8)])
def test_jains_index(shares: list[float], index: float) -> None:
    assert jain(shares) == pytest.approx(index)


def test_spinning_uses_the_time_of_the_processor() -> None:
    before = time.thread_time()
    spin(0.01)
    assert time.thread_time() - before >= 0.01
