"""Placement groups: bundles of resources, reserved all at once for the tasks and actors that name the group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cellray import provenance
from cellray.api import current
from cellray.api.object_ref import ObjectRef
from cellray.api.session import started_engine
from cellray.core.resources import format_resources
from cellray.errors import GetTimeoutError
from cellray.ids import GroupId, TaskId, return_object_id
from cellray.model.placement import GroupOptions, GroupState
from cellray.model.task import RESOURCE_UNITS, Resources, make_resources
from cellray.ports import Engine

STRATEGIES = ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD")
Bundles = list[dict[str, float]]


class PlacementGroup:
    """A handle of a placement group; may be passed to tasks and actors. Made by `placement_group`."""

    def __init__(self, id: GroupId, bundle_cache: Bundles | None = None) -> None:  # noqa: A002 - Ray's name
        self.id = id
        self.bundle_cache = bundle_cache

    def ready(self) -> ObjectRef:
        """A reference that resolves, to this handle, once all bundles are reserved.

        `get` of it raises TaskUnschedulableError when they never can be, TaskPlacementGroupRemoved when the group was
        removed before.
        """
        engine = started_engine()
        object_id = return_object_id(TaskId(self.id), 0)
        engine.retain(object_id)
        return ObjectRef(object_id, engine)

    def wait(self, timeout_seconds: float = 30) -> bool:
        """Whether all bundles are reserved within this time. Raises as `get(ready())` does."""
        ref = self.ready()
        try:
            started_engine().get([return_object_id(TaskId(ref.task_id()), 0)], timeout_seconds)
        except GetTimeoutError:
            return False
        return True

    @property
    def bundle_specs(self) -> Bundles:
        """The bundles, as dicts of amounts."""
        if self.bundle_cache is None:
            state = _find(lambda each: each.group_id == self.id)
            self.bundle_cache = _amounts(state.options.bundles) if state is not None else []
        return self.bundle_cache

    @property
    def bundle_count(self) -> int:
        """How many bundles."""
        return len(self.bundle_specs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlacementGroup) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        return PlacementGroup, (self.id, self.bundle_cache)

    def __repr__(self) -> str:
        return f"PlacementGroup({self.id.hex()})"


def placement_group(
    bundles: Bundles,
    strategy: str = "PACK",
    name: str = "",
    lifetime: str | None = None,
) -> PlacementGroup:
    """Reserve bundles of resources, such as `[{"CPU": 1}, {"CPU": 1, "GPU": 1}]`; returns at once.

    `strategy` is "PACK", "SPREAD", "STRICT_PACK" or "STRICT_SPREAD" (on several nodes or not at all). With a `name`
    `get_placement_group` finds it. It ends with the driver unless `lifetime="detached"`, or by
    `remove_placement_group`. Raises ValueError for anything else.

        group = placement_group([{"CPU": 1}] * 2)
        cellray.get(group.ready())
        f.options(scheduling_strategy=PlacementGroupSchedulingStrategy(group)).remote()
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"Invalid placement group strategy {strategy}. Supported strategies are: {set(STRATEGIES)}.")
    if lifetime not in (None, "detached"):
        raise ValueError(f"Placement group `lifetime` argument must be either `None` or 'detached'. Got {lifetime}.")
    if not isinstance(name, str):
        raise ValueError(f"name={name!r}: give a string")
    amounts = _check_bundles(bundles)
    engine = started_engine()
    options = GroupOptions(amounts, strategy, name, "", lifetime == "detached")
    shown = _amounts(amounts)
    group_id = engine.groups.create(
        options, lambda group_id: PlacementGroup(group_id, shown), provenance.current_cell()
    )
    return PlacementGroup(group_id, shown)


def remove_placement_group(placement_group: PlacementGroup) -> None:
    """End what runs in the group, and free its resources."""
    if not isinstance(placement_group, PlacementGroup):
        raise TypeError(f"remove_placement_group() takes a PlacementGroup, got {type(placement_group)}")
    started_engine().groups.remove(placement_group.id)


def get_placement_group(placement_group_name: str) -> PlacementGroup:
    """The group of this name. Raises ValueError when there is none."""
    if not placement_group_name:
        raise ValueError("Please supply a non-empty value to get_placement_group")
    namespace = started_engine().node_state().namespace
    wanted = (placement_group_name, namespace)
    state = _find(lambda each: (each.options.name, each.options.namespace) == wanted and each.state != "REMOVED")
    if state is None:
        raise ValueError(f"Failed to look up placement group with name: {placement_group_name}")
    return PlacementGroup(state.group_id, _amounts(state.options.bundles))


def get_current_placement_group() -> PlacementGroup | None:
    """The group that the running task or actor belongs to; None in a driver and for all others."""
    engine = current.engine_or_none()
    placement = engine.placement if engine is not None else None
    return PlacementGroup(placement.group_id) if placement is not None and placement.group_id else None


def placement_group_table(placement_group: PlacementGroup | None = None) -> dict[str, Any]:
    """What is known of a group, or of all of them by id (hex)."""
    engine = started_engine()
    states = {state.group_id: _described(state, engine) for state in engine.node_state().groups}
    if placement_group is not None:
        return states.get(placement_group.id, {})
    return {group_id.hex(): described for group_id, described in states.items()}


def check_bundle_index(group: PlacementGroup, index: int) -> None:
    """Raise ValueError for a bundle that the group does not have."""
    if not -1 <= index < group.bundle_count:
        raise ValueError(
            f"placement group bundle index {index} is invalid. Valid placement group indexes: 0-{group.bundle_count}"
        )


def check_fit(name: str, resources: Resources, group: PlacementGroup, index: int) -> None:
    """Raise ValueError when the resources fit into no bundle of the group, or not into the one of this index."""
    bundles = group.bundle_specs if index < 0 else [group.bundle_specs[index]]
    asked = {resource: units / RESOURCE_UNITS for resource, units in resources}
    if not any(all(bundle.get(resource, 0) >= amount for resource, amount in asked.items()) for bundle in bundles):
        raise ValueError(
            f"Cannot schedule {name} with the placement group because the resource request "
            f"{format_resources(resources)} cannot fit into any bundles for the placement group, {bundles}."
        )


def _check_bundles(bundles: Any) -> tuple[Resources, ...]:
    if not isinstance(bundles, list):
        raise ValueError(f"Placement group bundles must be a list, got {type(bundles)}.")
    example = 'For example: `[{"CPU": 1.0}, {"GPU": 1.0}]`.'
    if not bundles:
        raise ValueError(
            f"Bundles must be a non-empty list of resource dictionaries. {example} Got empty list instead."
        )
    for bundle in bundles:
        if not isinstance(bundle, dict) or not all(
            isinstance(key, str) and isinstance(amount, int | float) for key, amount in bundle.items()
        ):
            raise ValueError(f"Bundles must be a non-empty list of resource dictionaries. {example}")
        if not any(bundle.values()):
            raise ValueError(
                f"Bundles cannot be an empty dictionary or resources with only 0 values. Bundles: {bundles}"
            )
    return tuple(make_resources(bundle) for bundle in bundles)


def _amounts(bundles: Sequence[Resources]) -> Bundles:
    return [{name: units / RESOURCE_UNITS for name, units in bundle} for bundle in bundles]


def _find(wanted: Any) -> GroupState | None:
    return next(filter(wanted, started_engine().node_state().groups), None)


def _described(state: GroupState, engine: Engine) -> dict[str, Any]:
    created = state.state == "CREATED"
    bundles = dict(enumerate(_amounts(state.options.bundles)))
    return {
        "placement_group_id": state.group_id.hex(),
        "name": state.options.name,
        "bundles": bundles,
        "bundles_to_node_id": dict.fromkeys(bundles, engine.node_id if created else ""),
        "strategy": state.options.strategy,
        "state": state.state,
    }
