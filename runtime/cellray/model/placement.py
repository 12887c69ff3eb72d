"""Where tasks and actors are to run: on which node, and in which placement group.

A placement group reserves bundles of resources for those that name it. It is made by a task, its creation, which needs
all bundles together, runs nowhere and has the group's id; it returns the object behind `PlacementGroup.ready()`.
While a group exists, the node has resources of their own for it, named as in Ray: `CPU_group_<id>` for what all bundles
together have of CPUs, `CPU_group_<i>_<id>` for the bundle number i, and `bundle_group_<id>`, of which everything that
runs in the group takes a little, so that it waits for the group though it asks for nothing else.
"""

from __future__ import annotations

import re

import msgspec

from cellray.ids import GroupId, TaskId

Resources = tuple[tuple[str, int], ...]
"""The same as `model.task.Resources`, which stands on this module."""

BUNDLE_UNITS = 10_000_000
"""Units of `bundle_group_<id>` that each bundle has (1,000), and that a task takes (a thousandth): Ray's numbers."""
BUNDLE_UNITS_TAKEN = 10
GROUP_RESOURCE = re.compile(r"(?P<name>.+)_group_((?P<bundle>\d+)_)?(?P<group>[0-9a-f]{32})$")


class Placement(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where tasks of one template may run. A `bundle` of -1 stands for any; an empty id for none.

    With `captures` what they submit runs in the group too, unless it says otherwise. `soft`: elsewhere, if there is no
    such node.
    """

    group_id: GroupId = GroupId(TaskId(b""))
    bundle: int = -1
    captures: bool = False
    node_id: str = ""
    soft: bool = False


class GroupOptions(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What makes a task template one of a placement group's creation. `name` is empty for most."""

    bundles: tuple[Resources, ...]
    strategy: str = "PACK"
    name: str = ""
    namespace: str = ""
    detached: bool = False


class GroupState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A placement group as the node knows it; `state` is PENDING, CREATED or REMOVED, as in Ray."""

    group_id: GroupId
    options: GroupOptions
    state: str


def sum_of(bundles: tuple[Resources, ...]) -> Resources:
    """What all bundles ask for together."""
    total: dict[str, int] = {}
    for bundle in bundles:
        for name, units in bundle:
            total[name] = total.get(name, 0) + units
    return tuple(sorted(total.items()))


def resources_of(bundles: tuple[Resources, ...], group_id: GroupId) -> Resources:
    """The resources that the node has for the group while it exists."""
    pairs: list[tuple[str, int, int | None]] = [("bundle", BUNDLE_UNITS * len(bundles), None)]
    pairs += [(name, units, None) for name, units in sum_of(bundles)]
    for index, bundle in enumerate(bundles):
        pairs += [("bundle", BUNDLE_UNITS, index), *((name, units, index) for name, units in bundle)]
    return tuple(sorted((_renamed(name, index, group_id), units) for name, units, index in pairs))


def resources_in(demand: Resources, placement: Placement) -> Resources:
    """What a task that asks for `demand` takes of its group's resources."""
    indices: tuple[int | None, ...] = (None,) if placement.bundle < 0 else (None, placement.bundle)
    taken = [*demand, ("bundle", BUNDLE_UNITS_TAKEN)]
    return tuple(
        sorted((_renamed(name, index, placement.group_id), units) for name, units in taken for index in indices)
    )


def original_name(resource: str) -> str:
    """`CPU_group_0_<id>` -> `CPU`; every other name is its own."""
    found = GROUP_RESOURCE.match(resource)
    return found["name"] if found is not None else resource


def _renamed(name: str, bundle: int | None, group_id: GroupId) -> str:
    return f"{name}_group_{group_id.hex()}" if bundle is None else f"{name}_group_{bundle}_{group_id.hex()}"
