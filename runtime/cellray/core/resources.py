"""Resources of one node: exact integer accounting, in ten-thousandths (`model.task.RESOURCE_UNITS`)."""

from __future__ import annotations

from cellray.model.task import RESOURCE_UNITS, Resources


class ResourcePool:
    """What the node has, and what of it is free. Free may be negative for a while: see `acquire`."""

    def __init__(self, total: Resources) -> None:
        self.total = dict(total)
        self.available = dict(total)

    def fits(self, demand: Resources) -> bool:
        """Whether `demand` is free now."""
        available = self.available
        for name, units in demand:  # noqa: SIM110 - asked in every pass, and a generator costs more than the answer
            if available.get(name, 0) < units:
                return False
        return True

    def fit_count(self, demand: Resources, limit: int) -> int:
        """How often `demand` fits into what is free, at most `limit`."""
        counts = [self.available.get(name, 0) // units for name, units in demand]
        return max(0, min([limit, *counts]))

    def short_of(self, demand: Resources) -> list[str]:
        """The resources for want of which `demand` does not fit now."""
        return [name for name, units in demand if self.available.get(name, 0) < units]

    def acquire(self, demand: Resources) -> None:
        """Take `demand`, free or not: a worker that leaves `get` goes on at once, though what it lent out is in use
        (Ray oversubscribes here in the same way; the alternative is a worker that waits with its locks held)."""
        for name, units in demand:
            self.available[name] -= units

    def release(self, demand: Resources) -> None:
        """Give `demand` back."""
        for name, units in demand:
            self.available[name] += units

    def lacking(self, demand: Resources) -> list[tuple[str, int, int]]:
        """(name, asked, total) of what the whole node could never satisfy."""
        return [(name, units, self.total.get(name, 0)) for name, units in demand if units > self.total.get(name, 0)]


def format_units(units: int) -> str:
    """`10000` -> `1`, `2500` -> `0.25`."""
    return f"{units / RESOURCE_UNITS:.4f}".rstrip("0").rstrip(".")


def format_resources(resources: Resources) -> str:
    """`(("CPU", 20000),)` -> `2 CPU`."""
    return ", ".join(f"{format_units(units)} {name}" for name, units in resources) or "nothing"
