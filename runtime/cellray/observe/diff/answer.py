"""What `cellray.diff` answers: the first divergence, what followed, and durations by function."""

from __future__ import annotations

from typing import Literal

import msgspec

from cellray.observe.visual.format import count, duration

TOLD_MAX = 10
"""Divergences and functions that the text has one by one; of the others there is a count."""
Aspect = Literal["code", "input", "output", "missing", "extra"]


class Divergence(msgspec.Struct, frozen=True):
    """One task that is not the same in both runs: in its code, its arguments, its output, or because only one run has
    it. `shows_at` is when that came to light, in the first run's time (seconds since the epoch); ids are of either run.
    """

    path: tuple[int, ...]
    name: str
    function: str
    aspects: list[Aspect]
    text: str
    shows_at: float
    task_a: str | None = None
    task_b: str | None = None

    def __str__(self) -> str:
        return f"{self.name} ({path_words(self.path)}): {self.text}"


class FunctionTimes(msgspec.Struct, frozen=True):
    """How often and how long a function ran to its end in both runs."""

    function: str
    tasks_a: int
    total_a_s: float
    tasks_b: int
    total_b_s: float

    @property
    def ratio(self) -> float | None:
        """Mean time of the second run by that of the first; None when one of them has none."""
        if not self.tasks_a or not self.tasks_b or not self.total_a_s:
            return None
        return (self.total_b_s / self.tasks_b) / (self.total_a_s / self.tasks_a)

    def __str__(self) -> str:
        a = f"{count(self.tasks_a)} x {duration(self.total_a_s / self.tasks_a)}" if self.tasks_a else "none"
        b = f"{count(self.tasks_b)} x {duration(self.total_b_s / self.tasks_b)}" if self.tasks_b else "none"
        ratio = f" ({self.ratio:.2g} times)" if self.ratio is not None else ""
        return f"{self.function}: {a}, then {b}{ratio}"


class Diff(msgspec.Struct, frozen=True):
    """Two runs compared, the first log's with the second's. `same` tasks differ in nothing that the logs tell.

    `first` is the earliest task that went another way, `downstream` what came of it and differs too, `others` what
    differs and is not known to come of it.
    """

    first: Divergence | None
    downstream: list[Divergence]
    others: list[Divergence]
    same: int
    functions: list[FunctionTimes]

    def __bool__(self) -> bool:
        return self.first is not None

    def to_dict(self) -> dict[str, object]:
        """As plain data, for JSON."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return plain

    def __str__(self) -> str:
        lines = [self.headline]
        if self.first is not None:
            lines += [f"  first: {self.first}"]
            lines += _listed("downstream of it", self.downstream)
            lines += _listed("besides", self.others)
        if self.functions:
            lines += ["durations, first run and second:"]
            lines += [f"  {each}" for each in self.functions[:TOLD_MAX]]
            lines += _more(len(self.functions), "functions")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from cellray.observe.diff.shown import render_diff

        return render_diff(self)

    @property
    def headline(self) -> str:
        """In one line."""
        if self.first is None:
            return f"The same: {count(self.same)} tasks agree in code, arguments and outputs."
        differ = 1 + len(self.downstream) + len(self.others)
        return f"{count(differ)} of {count(differ + self.same)} tasks differ, first {self.first.name}."


def path_words(path: tuple[int, ...]) -> str:
    """`task 3.0 of driver 1`: submissions from the driver down, numbered as in short ids; drivers from 1."""
    return f"task {'.'.join(map(str, path[1:]))} of driver {path[0] + 1}"


def _listed(title: str, divergences: list[Divergence]) -> list[str]:
    if not divergences:
        return []
    shown = [f"    {each}" for each in divergences[:TOLD_MAX]]
    return [f"  {title}: {count(len(divergences))}", *shown, *_more(len(divergences), "tasks")]


def _more(total: int, what: str) -> list[str]:
    return [f"    and {count(total - TOLD_MAX)} more {what}"] if total > TOLD_MAX else []
