"""Measurements as Markdown: goals and bars first, then everybody's medians, then a table for each measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from tests.bench.goals import render_goals
from tests.bench.machine import Machine
from tests.bench.measures import Measure
from tests.bench.rows import Row, number
from tests.bench.summary import ratio, summarise


class Run(NamedTuple):
    """Everything that one `make bench` found. The first row is ours."""

    machine: Machine
    started: str
    load_before: float
    load_after: float
    rounds: int
    quick: bool
    rows: Sequence[Row]

    def to_json(self) -> dict[str, Any]:
        """Raw figures, for machines."""
        return {
            **self._asdict(),
            "machine": self.machine._asdict(),
            "rows": [asdict(row) for row in self.rows],
        }


def render(run: Run, measures: Sequence[Measure]) -> str:
    """The whole report."""
    machine, ours = run.machine, run.rows[0].name
    origin = (
        f"{run.started}, commit {machine.commit}, {machine.cores} cores ({machine.cpu}), {machine.kernel}, "
        f"Python {machine.python}. {run.rounds} rounds{', quick' if run.quick else ''}, contenders in turn, each in a "
        f"fresh process with two workers. Load of the machine: {run.load_before:.1f} before, {run.load_after:.1f} "
        "after."
    )
    legend = (
        "Medians of the rounds; in brackets the least and the greatest. Ratios say how many times better "
        f"{ours} is: the median of the rounds' ratios, above 1 when {ours} is ahead."
    )
    parts = [render_goals(run.rows, measures), render_overview(run.rows, measures)]
    parts += [render_table(run.rows, measure) for measure in measures]
    return "\n\n".join(["# Measurements", origin, legend, *filter(None, parts)]) + "\n"


def render_overview(rows: Sequence[Row], measures: Sequence[Measure]) -> str:
    """Everybody's medians; empty when there is nobody else."""
    if len(rows) < 2:
        return ""
    lines = [
        "## Everybody",
        "",
        f"| | {' | '.join(row.name for row in rows)} |",
        f"|---|{'--:|' * len(rows)}",
    ]
    for measure in measures:
        if measure.has_peers and any(row.has(measure.name) for row in rows):
            medians = [summarise([value for value in row.values(measure.name) if value is not None]) for row in rows]
            shown = [number(each.median * measure.scale) if each else "" for each in medians]
            lines.append(f"| {measure.title}, {measure.unit} | {' | '.join(shown)} |")
    return "\n".join(lines)


def render_table(rows: Sequence[Row], measure: Measure) -> str:
    """One measure's table, without those who have no such thing; empty when nobody has a figure for it."""
    shown = [
        row for row in (rows if measure.has_peers else rows[:1]) if row.has(measure.name) or _why_missing(row, measure)
    ]
    if not any(row.has(measure.name) for row in shown):
        return ""
    ours = rows[0]
    lines = [
        f"## {measure.title}",
        "",
        measure.note,
        "",
        f"| | {measure.unit} | | {ours.name} is |",
        "|---|--:|---|--:|",
    ]
    return "\n".join([*lines, *[_line(row, ours, measure) for row in shown]])


def _why_missing(row: Row, measure: Measure) -> str:
    return row.absent or row.failed.get(measure.group, "")


def _line(row: Row, ours: Row, measure: Measure) -> str:
    values = row.values(measure.name)
    summary = summarise([value for value in values if value is not None])
    failed = _why_missing(row, measure)
    if summary is None:
        return f"| {row.name} | - | {failed} | |"
    low, high = (number(value * measure.scale) for value in (summary.low, summary.high))
    spread = f"[{low}, {high}]"
    if failed:
        spread += f" {failed}"
    better = None
    if row is not ours:
        better = ratio(ours.values(measure.name), values, more_is_better=measure.more_is_better)
    times = f"{number(better)}x" if better is not None else ""
    return f"| {row.name} | {number(summary.median * measure.scale)} | {spread} | {times} |"
