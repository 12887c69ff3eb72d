"""The tables of a measurement."""

from __future__ import annotations

import json

import pytest

from tests.bench.goals import render_goals
from tests.bench.machine import Machine
from tests.bench.measures import MEASURES, Bar, Measure
from tests.bench.report import Run, render, render_overview, render_table
from tests.bench.rows import Row, number

PIPELINED = Measure("pipelined_per_s", "tasks", "Pipelined", "1/s", "A note.", goal=4000, bars=(Bar(2, "pool"),))
START = Measure(
    "start_s", "start", "Start", "ms", "A note.", scale=1e3, more_is_better=False, goal=300, bars=(Bar(500),)
)


def make_run(*rows: Row) -> Run:
    machine = Machine("a cpu", 2, "Linux 6", "3.11.7", "abc1234")
    return Run(machine, "2026-01-01 00:00", 0.5, 1.5, 2, False, rows)


OURS = Row("cellray", [{"pipelined_per_s": 1000.0, "start_s": 0.5}, {"pipelined_per_s": 3000.0, "start_s": 0.7}])
POOL = Row("pool", [{"pipelined_per_s": 500.0}, {"pipelined_per_s": 1000.0}])


def test_a_table_has_medians_spreads_and_ratios() -> None:
    assert render_table([OURS, POOL], PIPELINED).splitlines() == [
        "## Pipelined",
        "",
        "A note.",
        "",
        "| | 1/s | | cellray is |",
        "|---|--:|---|--:|",
        "| cellray | 2,000 | [1,000, 3,000] |  |",
        "| pool | 750 | [500, 1,000] | 2.50x |",
    ]


def test_less_is_better_and_units_are_scaled() -> None:
    slow = Row("slow", [{"start_s": 1.0}, {"start_s": 1.4}])
    lines = render_table([OURS, slow], START).splitlines()
    assert lines[-2:] == ["| cellray | 600 | [500, 700] |  |", "| slow | 1,200 | [1,000, 1,400] | 2.00x |"]


def test_who_is_absent_or_failed_says_why_and_who_has_no_such_thing_is_left_out() -> None:
    absent = Row("gone", [{}, {}], "not installed: no wheel")
    broken = Row("broken", [{}, {}], failed={"tasks": "ValueError: no"})
    without = Row("other", [{"start_s": 1.0}, {}])
    lines = render_table([OURS, absent, broken, without], PIPELINED).splitlines()
    assert lines[-2:] == ["| gone | - | not installed: no wheel | |", "| broken | - | ValueError: no | |"]


def test_a_contender_that_failed_in_one_round_shows_the_others() -> None:
    flaky = Row("flaky", [{"start_s": 1.0}, {}], "failed: Boom")
    assert render_table([OURS, flaky], START).splitlines()[-1] == (
        "| flaky | 1,000 | [1,000, 1,000] failed: Boom | 2.00x |"
    )


def test_goals_and_bars_say_what_was_reached() -> None:
    untouched = Measure("other", "tasks", "Other", "1/s", "", goal=1)
    assert render_goals([OURS, POOL], [PIPELINED, START, untouched]).splitlines()[-2:] == [
        "| Pipelined | 4,000 1/s | 2,000 1/s | 50% | 2 x pool | 2.50 x: yes |",
        "| Start | 300 ms | 600 ms | 50% | 500 ms | **no** |",
    ]


@pytest.mark.parametrize(
    ("bar", "result"),
    [
        (Bar(3, "pool"), "3 x pool | 2.50 x: **no**"),
        (Bar(2000), "2,000 1/s | yes"),
        (Bar(0.5, "copied"), "0.5 x copied | 0.50 x: yes"),
        (Bar(1, "ray"), "1 x ray | -"),
    ],
)
def test_bars(bar: Bar, result: str) -> None:
    ours = Row(
        "cellray", [{"pipelined_per_s": 1000.0, "copied": 2000.0}, {"pipelined_per_s": 3000.0, "copied": 6000.0}]
    )
    measure = PIPELINED._replace(bars=(bar,))
    assert render_goals([ours, POOL], [measure]).splitlines()[-1].endswith(f"| {result} |")


def test_the_overview_has_a_column_for_everybody() -> None:
    assert render_overview([OURS, POOL], [PIPELINED, START]).splitlines()[2:] == [
        "| | cellray | pool |",
        "|---|--:|--:|",
        "| Pipelined, 1/s | 2,000 | 750 |",
        "| Start, ms | 600 |  |",
    ]
    assert render_overview([OURS], [PIPELINED]) == ""


def test_every_bar_is_compared_with_something_that_is_measured() -> None:
    known = {measure.name for measure in MEASURES} | {"ProcessPoolExecutor", "ray", ""}
    assert {bar.of for measure in MEASURES for bar in measure.bars} <= known


def test_a_report_names_machine_and_commit_and_leaves_out_what_was_not_measured() -> None:
    text = render(make_run(OURS), MEASURES)
    assert "commit abc1234, 2 cores (a cpu), Linux 6, Python 3.11.7" in text
    assert "Load of the machine: 0.5 before, 1.5 after" in text
    assert "pure core" not in text
    assert json.loads(json.dumps(make_run(OURS).to_json()))["rows"][0]["figures"][0]["start_s"] == 0.5


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (123456.7, "123,457"), (12.34, "12.3"), (1.5, "1.50"), (0.0123, "0.0123")]
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text
