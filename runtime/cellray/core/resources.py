"""Resources of one node: exact integer accounting, in ten-thousandths (`model.task.RESOURCE_UNITS`)."""

from __future__ import annotations

from cellray.core.accelerators import GPU, Devices, DeviceTable
from cellray.model.placement import original_name
from cellray.model.task import RESOURCE_UNITS, Resources

GIGABYTE = 1 << 30


class ResourcePool:
    """What the node has, and what of it is free. Free may be negative for a while: see `acquire`."""

    def __init__(self, total: Resources) -> None:
        self.total = dict(total)
        self.available = dict(total)
        self.devices = DeviceTable(self.total.get(GPU, 0) // RESOURCE_UNITS)

    def fits(self, demand: Resources) -> bool:
        """Whether `demand` is free now."""
        available = self.available
        for name, units in demand:
            if available.get(name, 0) < units:
                return False
        return not self.devices.free or self.devices.find(demand) is not None

    def fit_count(self, demand: Resources, limit: int) -> int:
        """How often `demand` fits into what is free, at most `limit`."""
        counts = [self.available.get(name, 0) // units for name, units in demand]
        return max(0, min([limit, *counts]))

    def short_of(self, demand: Resources) -> list[str]:
        """The resources for want of which `demand` does not fit now."""
        short = [name for name, units in demand if self.available.get(name, 0) < units]
        return short or [name for name, _ in demand if name in self.devices.free]

    def acquire(self, demand: Resources) -> None:
        """Take `demand`, free or not: a worker that leaves `get` goes on at once, though what it lent out is in use
        (Ray oversubscribes here in the same way; the alternative is a worker that waits with its locks held)."""
        for name, units in demand:
            self.available[name] -= units

    def release(self, demand: Resources) -> None:
        """Give `demand` back."""
        for name, units in demand:
            self.available[name] += units

    def take_devices(self, demand: Resources) -> Devices:
        """The GPUs for a demand that fits."""
        devices = self.devices.find(demand) or ()
        self.devices.take(demand, devices)
        return devices

    def add(self, resources: Resources) -> None:
        """The node has these too from now on, all free."""
        self.total.update(resources)
        self.available.update(resources)

    def remove(self, resources: Resources) -> None:
        """It has them no more; all must be free."""
        for name, _ in resources:
            del self.total[name], self.available[name]

    def lacking(self, demand: Resources) -> list[tuple[str, int, int]]:
        """(name, asked, total) of what the whole node could never satisfy."""
        return [(name, units, self.total.get(name, 0)) for name, units in demand if units > self.total.get(name, 0)]

    def own(self) -> Resources:
        """All that the node has, without what it keeps under the names of placement groups."""
        return tuple(sorted((name, units) for name, units in self.total.items() if original_name(name) == name))


def format_units(units: int, name: str = "") -> str:
    """`10000` -> `1`, `2500` -> `0.25`; of memory, which is counted in bytes, gigabytes."""
    amount = units / RESOURCE_UNITS
    if name == "memory" and amount >= GIGABYTE / 10:
        return f"{amount / GIGABYTE:.1f} GB"
    return f"{amount:.4f}".rstrip("0").rstrip(".")


def format_resources(resources: Resources) -> str:
    """`(("CPU", 20000),)` -> `2 CPU`."""
    return ", ".join(f"{format_units(units, name)} {name}" for name, units in resources) or "nothing"
