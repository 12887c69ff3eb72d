"""The tables of a measurement."""

from __future__ import annotations

import json

import pytest

from tests.bench.machine import Machine
from tests.bench.measures import MEASURES, Measure
from tests.bench.report import Row, Run, number, render, render_table

PIPELINED = Measure("pipelined_per_s", "pipelined", "Pipelined", "1/s", True, "A note.")
START = Measure("start_s", "start", "Start", "ms", False, "A note.", 1e3)


def make_run(*rows: Row) -> Run:
    machine = Machine("a cpu", 2, "Linux 6", "3.11.7", "abc1234")
    return Run(machine, "2026-01-01 00:00", 0.5, 1.5, 2, False, rows, {"cellray": 1000, "pool": 100})


OURS = Row("cellray", [{"pipelined_per_s": 1000.0, "start_s": 0.5}, {"pipelined_per_s": 3000.0, "start_s": 0.7}])


def test_a_table_has_medians_spreads_and_ratios() -> None:
    pool = Row("pool", [{"pipelined_per_s": 500.0}, {"pipelined_per_s": 1000.0}])
    assert render_table(make_run(OURS, pool), PIPELINED).splitlines() == [
        "## Pipelined",
        "",
        "A note.",
        "",
        "| | 1/s | | cellray is |",
        "|---|--:|---|--:|",
        "| cellray, 1,000 tasks | 2,000 | [1,000, 3,000] |  |",
        "| pool, 100 tasks | 750 | [500, 1,000] | 2.50x |",
    ]


def test_less_is_better_and_units_are_scaled() -> None:
    slow = Row("slow", [{"start_s": 1.0}, {"start_s": 1.4}])
    lines = render_table(make_run(OURS, slow), START).splitlines()
    assert lines[-2:] == ["| cellray | 600 | [500, 700] |  |", "| slow | 1,200 | [1,000, 1,400] | 2.00x |"]


def test_who_is_absent_says_why() -> None:
    absent = Row("gone", [{}, {}], "not installed: no wheel")
    without = Row("other", [{"start_s": 1.0}, {}])
    lines = render_table(make_run(OURS, absent, without), PIPELINED).splitlines()
    assert lines[-2:] == ["| gone | - | not installed: no wheel | |", "| other | - | has no such thing | |"]


def test_a_contender_that_failed_in_one_round_shows_the_others() -> None:
    flaky = Row("flaky", [{"start_s": 1.0}, {}], "failed: Boom")
    assert render_table(make_run(OURS, flaky), START).splitlines()[-1] == (
        "| flaky | 1,000 | [1,000, 1,000] failed: Boom | 2.00x |"
    )


def test_a_put_stands_beside_a_copy() -> None:
    put = next(measure for measure in MEASURES if measure.name == "put_array_s")
    row = Row("cellray", [{"put_array_s": 0.01, "copy_array_s": 0.02}])
    assert "| (copy in one process) | 20.0 | [20.0, 20.0] | 2.00x |" in render_table(make_run(row), put)


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
