"""The figures of one contender over the rounds, and how numbers are written."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Row:
    """One contender's rounds: `figures` in order, an empty one where it did not take part. `absent` says why there are
    none at all; `failed` says it by group of measures."""

    name: str
    figures: list[dict[str, float]]
    absent: str = ""
    failed: dict[str, str] = field(default_factory=dict)

    def values(self, name: str) -> list[float | None]:
        """The figure of each round, None where it is missing."""
        return [figures.get(name) for figures in self.figures]

    def has(self, name: str) -> bool:
        """Whether there is any figure."""
        return any(value is not None for value in self.values(name))


def number(value: float) -> str:
    """Three significant digits, thousands apart, no exponents."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"
