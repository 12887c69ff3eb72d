"""What a rerun will run, for which reason, and about how long it takes: `cellray.rerun(..., dry_run=True)`."""

from __future__ import annotations

import html
from typing import NamedTuple

import msgspec

from cellray.ids import TaskId, short_task_id


class FunctionCost(NamedTuple):
    """How many tasks of a function run, and how long they took then, in seconds: the mean of those that the result
    depends on, and the sum for what runs; 0 when none of them has ended."""

    tasks: int
    mean_s: float
    total_s: float


class RerunStep(msgspec.Struct, frozen=True):
    """A task that runs again. `expected_s` is the mean of its function."""

    task_id: TaskId
    name: str
    function: str
    reason: str
    expected_s: float

    def __str__(self) -> str:
        return f"{self.name} ({short_task_id(self.task_id)}): {self.reason}"


class RerunPlan(msgspec.Struct, frozen=True):
    """`steps` in the order in which they are submitted; `reused` counts tasks whose values stay. Shows as a table."""

    steps: tuple[RerunStep, ...]
    reused: int

    @property
    def expected_s(self) -> float:
        """Seconds of work, one task after another."""
        return sum(step.expected_s for step in self.steps)

    @property
    def by_function(self) -> dict[str, FunctionCost]:
        """By function, the costliest first."""
        steps: dict[str, list[RerunStep]] = {}
        for step in self.steps:
            steps.setdefault(step.function, []).append(step)
        costs = {
            name: FunctionCost(len(each), each[0].expected_s, sum(step.expected_s for step in each))
            for name, each in steps.items()
        }
        return dict(sorted(costs.items(), key=lambda item: -item[1].total_s))

    def __repr__(self) -> str:
        rows = [("function", "tasks", "mean", "total", "because"), *self._rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2, 3)), row[4]]) for row in rows
        ]
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("function", "tasks", "mean", "total", "because"))
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(value)}</td>" for value in row) + "</tr>" for row in self._rows()
        )
        return f"<p>{html.escape(self._title())}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _title(self) -> str:
        count = len(self.steps)
        return (
            f"{count} {'task' if count == 1 else 'tasks'} would run, about {shown_s(self.expected_s)} of work; "
            f"the values of {self.reused} others are used again."
        )

    def _rows(self) -> list[tuple[str, str, str, str, str]]:
        rows = []
        for name, cost in self.by_function.items():
            reasons = list(dict.fromkeys(step.reason for step in self.steps if step.function == name))
            why = reasons[0] if len(reasons) == 1 else f"{reasons[0]}, and others"
            rows.append((name, str(cost.tasks), shown_s(cost.mean_s), shown_s(cost.total_s), why))
        return rows


def shown_s(seconds: float) -> str:
    """For people."""
    if seconds >= 120:
        return f"{seconds / 60:.1f} min"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds else "-"
