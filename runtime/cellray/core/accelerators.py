"""Which GPUs are whose: a task that asks for whole ones gets them alone, fractions share one.

Counting (`core.resources`) is not enough for GPUs: of two that are half in use a whole one is free, and nobody could
use it. So each has its own account, under the name of the resource that it is part of: a placement group has its share
of certain GPUs in its own names, and what runs in the group gets these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cellray.model.placement import original_name
from cellray.model.task import RESOURCE_UNITS, Resources

GPU = "GPU"

Devices = tuple[tuple[int, int], ...]
"""(number, units) of each GPU of which somebody has something."""


def uses_devices(demand: Resources) -> bool:
    """Whether certain GPUs have to be found for the demand."""
    return any(original_name(name) == GPU for name, _ in demand)


class DeviceTable:
    """The GPUs of one node, numbered from 0. `free` has what is left of each, by name of resource and number."""

    def __init__(self, count: int) -> None:
        self.free: dict[str, dict[int, int]] = {GPU: dict.fromkeys(range(count), RESOURCE_UNITS)} if count else {}

    def find(self, demand: Resources) -> Devices | None:
        """GPUs that would do: nothing for a demand without, None when there are none.

        A fraction goes where least is left over, so that whole ones stay whole.
        """
        accounts = self._accounts(demand)
        if not accounts:
            return ()
        units = next(units for name, units in demand if name in self.free)
        return _choose({number: min(each[number] for each in accounts) for number in min(accounts, key=len)}, units)

    def find_each(self, demands: Sequence[int]) -> list[Devices] | None:
        """GPUs for several who get theirs at the same time, each so many units; None when they do not all get some.

        The largest choose first: so small ones do not break what large ones need.
        """
        left = dict(self.free.get(GPU, {}))
        found: list[Devices] = [()] * len(demands)
        for place in sorted(range(len(demands)), key=lambda place: -demands[place]):
            devices = _choose(left, demands[place])
            if devices is None:
                return None
            for number, taken in devices:
                left[number] -= taken
            found[place] = devices
        return found

    def take(self, demand: Resources, devices: Devices) -> None:
        """What `find` found is in use."""
        for account in self._accounts(demand):
            for number, units in devices:
                account[number] -= units

    def give_back(self, demand: Resources, devices: Devices) -> None:
        """It is free again."""
        self.take(demand, tuple((number, -units) for number, units in devices))

    def open_account(self, name: str, devices: Iterable[tuple[int, int]]) -> None:
        """A resource of a placement group has these."""
        account = self.free[name] = {}
        for number, units in devices:
            account[number] = account.get(number, 0) + units

    def close_account(self, name: str) -> None:
        """The resource is no more."""
        self.free.pop(name, None)

    def _accounts(self, demand: Resources) -> list[dict[int, int]]:
        return [self.free[name] for name, _ in demand if name in self.free]


def _choose(left: dict[int, int], units: int) -> Devices | None:
    """Whole GPUs, and for the rest of `units` a part of the one that has least left."""
    count, rest = divmod(units, RESOURCE_UNITS)
    whole = [number for number, free in left.items() if free == RESOURCE_UNITS][:count]
    if len(whole) < count:
        return None
    chosen = [(number, RESOURCE_UNITS) for number in whole]
    if rest:
        enough = [number for number, free in left.items() if free >= rest and number not in whole]
        if not enough:
            return None
        chosen.append((min(enough, key=lambda number: left[number]), rest))
    return tuple(chosen)
