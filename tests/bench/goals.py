"""Goals and bars beside what was reached, as one table."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.measures import Bar, Measure
from tests.bench.rows import Row, number
from tests.bench.summary import ratio, summarise

NOT_MEASURED = "-"


def render_goals(rows: Sequence[Row], measures: Sequence[Measure]) -> str:
    """A line for every measure that has a goal or a bar, in the order given; empty when none was measured."""
    ours = rows[0]
    lines = [
        _line(rows, measure)
        for measure in measures
        if (measure.goal is not None or measure.bars) and any(value is not None for value in ours.values(measure.name))
    ]
    if not lines:
        return ""
    head = [
        "## Goals and bars",
        "",
        "| | goal | reached | of the goal | bar | bar reached |",
        "|---|--:|--:|--:|---|---|",
    ]
    return "\n".join([*head, *lines])


def _line(rows: Sequence[Row], measure: Measure) -> str:
    ours = summarise([value for value in rows[0].values(measure.name) if value is not None])
    assert ours is not None
    reached = ours.median * measure.scale
    goal = of_goal = ""
    if measure.goal is not None:
        goal = f"{number(measure.goal)} {measure.unit}"
        of_goal = f"{100 * (reached / measure.goal if measure.more_is_better else measure.goal / reached):.0f}%"
    bars = ", ".join(_describe(bar, measure) for bar in measure.bars)
    results = ", ".join(_judge(bar, measure, rows, reached) for bar in measure.bars)
    return f"| {measure.title} | {goal} | {number(reached)} {measure.unit} | {of_goal} | {bars} | {results} |"


def _describe(bar: Bar, measure: Measure) -> str:
    if not bar.of:
        return f"{number(bar.times)} {measure.unit}"
    return f"{bar.times:g} x {bar.of}"


def _judge(bar: Bar, measure: Measure, rows: Sequence[Row], reached: float) -> str:
    if not bar.of:
        holds = reached >= bar.times if measure.more_is_better else reached <= bar.times
        return "yes" if holds else "**no**"
    by_name = {row.name: row for row in rows}
    theirs = by_name[bar.of].values(measure.name) if bar.of in by_name else rows[0].values(bar.of)
    times = ratio(rows[0].values(measure.name), theirs, more_is_better=measure.more_is_better)
    if times is None:
        return NOT_MEASURED
    return f"{number(times)} x: {'yes' if times >= bar.times else '**no**'}"
