"""Medians, spreads and ratios of interleaved rounds."""

from __future__ import annotations

from tests.bench.summary import ratio, summarise


def test_a_summary_is_the_median_and_the_extremes() -> None:
    assert summarise([3.0, 1.0, 10.0]) == (3.0, 1.0, 10.0)
    assert summarise([]) is None


def test_a_ratio_is_taken_round_by_round() -> None:
    # The machine was half as fast in the last round, for both.
    assert ratio([10.0, 10.0, 5.0], [5.0, 5.0, 2.5], more_is_better=True) == 2.0
    assert ratio([10.0, 10.0], [5.0, 5.0], more_is_better=False) == 0.5


def test_rounds_that_lack_one_of_the_two_are_left_out() -> None:
    assert ratio([10.0, None, 8.0], [None, 5.0, 2.0], more_is_better=True) == 4.0
    assert ratio([None], [1.0], more_is_better=True) is None
