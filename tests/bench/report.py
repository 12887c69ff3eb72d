"""Measurements as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.bench.machine import Machine
from tests.bench.measures import Measure
from tests.bench.summary import ratio, summarise


class Row(NamedTuple):
    """One contender's rounds: `figures` in order, an empty one where it failed; `absent` says why there are none."""

    name: str
    figures: Sequence[Mapping[str, float]]
    absent: str = ""

    def values(self, name: str) -> list[float | None]:
        """The figure of each round, None where it is missing."""
        return [figures.get(name) for figures in self.figures]


class Run(NamedTuple):
    """Everything that one `make bench` found. The first row is ours."""

    machine: Machine
    started: str
    load_before: float
    load_after: float
    rounds: int
    quick: bool
    rows: Sequence[Row]
    tasks: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Raw figures, for machines."""
        return {
            **self._asdict(),
            "machine": self.machine._asdict(),
            "rows": [{"name": row.name, "absent": row.absent, "figures": list(row.figures)} for row in self.rows],
        }


def render(run: Run, measures: Sequence[Measure]) -> str:
    """The whole report."""
    machine = run.machine
    origin = (
        f"{run.started}, commit {machine.commit}, {machine.cores} cores ({machine.cpu}), {machine.kernel}, "
        f"Python {machine.python}. {run.rounds} rounds{', quick' if run.quick else ''}, contenders in turn, each in a "
        f"fresh process with two workers. Load of the machine: {run.load_before:.1f} before, {run.load_after:.1f} "
        "after."
    )
    legend = (
        "Medians of the rounds; in brackets the least and the greatest. The last column says how many times better the "
        f"first row is: the median of the rounds' ratios, above 1 when {run.rows[0].name} is ahead."
    )
    tables = [table for measure in measures if (table := render_table(run, measure))]
    return "\n\n".join(["# Measurements", origin, legend, *tables]) + "\n"


def render_table(run: Run, measure: Measure) -> str:
    """One measure's table; empty when nobody has a figure for it."""
    if not any(value is not None for row in run.rows for value in row.values(measure.name)):
        return ""
    ours = run.rows[0]
    lines = [
        f"## {measure.title}",
        "",
        measure.note,
        "",
        f"| | {measure.unit} | | {ours.name} is |",
        "|---|--:|---|--:|",
    ]
    for row in run.rows if measure.has_peers else [ours]:
        lines.append(_line(row, ours, measure, run.tasks))
        if row is ours and measure.name == "put_array_s":
            lines.append(_line(_copies(ours), ours, measure, {}))
    return "\n".join(lines)


def _copies(ours: Row) -> Row:
    """What a put cannot beat with one thread, from the same process."""
    return Row("(copy in one process)", [{"put_array_s": f["copy_array_s"]} if f else {} for f in ours.figures])


def _line(row: Row, ours: Row, measure: Measure, tasks: Mapping[str, int]) -> str:
    values = row.values(measure.name)
    summary = summarise([value for value in values if value is not None])
    name = row.name
    if summary is None:
        return f"| {name} | - | {row.absent or 'has no such thing'} | |"
    if measure.group == "pipelined" and name in tasks:
        name += f", {tasks[name]:,} tasks"
    low, high = (number(value * measure.scale) for value in (summary.low, summary.high))
    spread = f"[{low}, {high}]"
    if row.absent:
        spread += f" {row.absent}"
    better = None
    if row is not ours:
        better = ratio(ours.values(measure.name), values, more_is_better=measure.more_is_better)
    shown = f"{number(better)}x" if better is not None else ""
    return f"| {name} | {number(summary.median * measure.scale)} | {spread} | {shown} |"


def number(value: float) -> str:
    """Three significant digits, thousands apart, no exponents."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"
