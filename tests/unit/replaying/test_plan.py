"""What a rerun's plan says of itself."""

from __future__ import annotations

import pytest
from cellray.ids import TaskId
from cellray.replaying.plan import FunctionCost, RerunPlan, RerunStep, shown_s


def step(number: int, function: str, seconds: float, reason: str = "it is new") -> RerunStep:
    return RerunStep(TaskId(b"parentprefix" + number.to_bytes(4, "big")), function, function, reason, seconds)


PLAN = RerunPlan((step(1, "load<", 0.5), step(2, "fit", 2.0), step(3, "fit", 2.0, "it needs load<")), 7)


def test_costs_by_function_the_costliest_first() -> None:
    assert list(PLAN.by_function.items()) == [("fit", FunctionCost(2, 2.0, 4.0)), ("load<", FunctionCost(1, 0.5, 0.5))]
    assert PLAN.expected_s == 4.5


def test_it_prints_as_a_table() -> None:
    assert repr(PLAN).splitlines() == [
        "3 tasks would run, about 4.5 s of work; the values of 7 others are used again.",
        "function  tasks      mean     total  because",
        "fit           2     2.0 s     4.0 s  it is new, and others",
        "load<         1  500.0 ms  500.0 ms  it is new",
    ]
    assert "<td>load&lt;</td>" in PLAN._repr_html_()
    assert repr(RerunPlan((step(1, "fit", 0.0),), 0)).startswith("1 task would run, about - of work")
    assert str(PLAN.steps[2]) == "fit (70617265-3): it needs load<"


@pytest.mark.parametrize(("seconds", "shown"), [(0, "-"), (0.0004, "0.4 ms"), (1.25, "1.2 s"), (180, "3.0 min")])
def test_times(seconds: float, shown: str) -> None:
    assert shown_s(seconds) == shown
