"""What tasks and actors ask of the place where they run: resources, runtime environment, scheduling strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cellray.api import current
from cellray.api.amounts import check_resources, is_amount
from cellray.api.placement_group import PlacementGroup, check_bundle_index, check_fit
from cellray.api.scheduling_strategies import (
    NodeAffinitySchedulingStrategy,
    PlacementGroupSchedulingStrategy,
)
from cellray.model.environment import NOTHING
from cellray.model.placement import Placement
from cellray.model.task import Resources, make_resources
from cellray.runtime_env import check_runtime_env

REQUIREMENTS: dict[str, Any] = {
    "num_gpus": None,
    "memory": None,
    "resources": None,
    "accelerator_type": None,
    "runtime_env": None,
    "scheduling_strategy": None,
    "placement_group": "default",
    "placement_group_bundle_index": -1,
    "placement_group_capture_child_tasks": None,
}
"""Options that functions and classes have in common, with Ray's defaults. The last three are its older way to say
`scheduling_strategy=PlacementGroupSchedulingStrategy(...)`."""

ACCELERATOR_SHARE = 0.001
"""So little of `accelerator_type:X` is taken that it does not limit anything: it says only where to run (Ray's way)."""


class Requirements(NamedTuple):
    """As they travel in a task's template."""

    resources: Resources
    environment: str
    placement: Placement | None


def check_requirement(name: str, value: Any) -> None:
    """Raise ValueError or TypeError for a bad value of `num_cpus` or of one of `REQUIREMENTS`."""
    if name in ("num_cpus", "num_gpus", "memory"):
        if value is not None and not is_amount(value):
            raise ValueError(f"{name}={value!r}: give a number of at least 0")
        if name == "num_gpus" and value is not None and value > 1 and value != int(value):
            raise ValueError(f"num_gpus={value!r}: a task shares one GPU or has whole ones; give a fraction below 1")
    elif name == "resources":
        if value is not None:
            check_resources(value)
    elif name == "accelerator_type":
        if value is not None and not isinstance(value, str):
            raise TypeError(f"accelerator_type={value!r}: give a string, such as 'A100'")
    elif name == "runtime_env":
        check_runtime_env(value)
    elif name == "scheduling_strategy":
        _check_strategy(value)
    elif name == "placement_group":
        if value not in (None, "default") and not isinstance(value, PlacementGroup):
            raise TypeError(f"placement_group={value!r}: give what cellray.util.placement_group() returned")
    elif name == "placement_group_bundle_index":
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"placement_group_bundle_index={value!r}: give the number of a bundle, or -1 for any")
    elif value is not None and not isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: give True, False or None")


def _check_strategy(value: Any) -> None:
    if isinstance(value, str):
        if value not in ("DEFAULT", "SPREAD"):
            raise ValueError(f"Invalid scheduling_strategy: {value!r}. Valid are 'DEFAULT', 'SPREAD' and the classes.")
    elif not isinstance(value, PlacementGroupSchedulingStrategy | NodeAffinitySchedulingStrategy | None):
        raise TypeError(
            f"scheduling_strategy={value!r:.80}: give 'DEFAULT', 'SPREAD', PlacementGroupSchedulingStrategy(...) or "
            "NodeAffinitySchedulingStrategy(...) of cellray.util.scheduling_strategies"
        )


def resolve_requirements(name: str, merged: Mapping[str, Any], num_cpus: float) -> Requirements:
    """What `name` asks for, given its options with their defaults and what surrounds the caller.

    Raises ValueError when its resources fit into no bundle of the placement group that it names.
    """
    amounts = dict(merged["resources"] or {})
    amounts |= {"CPU": num_cpus, "GPU": merged["num_gpus"] or 0, "memory": merged["memory"] or 0}
    if merged["accelerator_type"]:
        amounts[f"accelerator_type:{merged['accelerator_type']}"] = ACCELERATOR_SHARE
    resources = make_resources(amounts)
    engine = current.engine_or_none()
    parent = engine.environment if engine is not None else NOTHING
    environment = check_runtime_env(merged["runtime_env"]).over(parent)
    return Requirements(resources, environment.text(), _placement(name, resources, merged))


def _placement(name: str, resources: Resources, merged: Mapping[str, Any]) -> Placement | None:
    strategy = merged["scheduling_strategy"]
    older = merged["placement_group"]
    if strategy is not None and older not in (None, "default"):
        raise ValueError(
            "Placement groups should be specified via the scheduling_strategy option. The placement_group option is "
            "deprecated."
        )
    if isinstance(strategy, NodeAffinitySchedulingStrategy):
        return Placement(node_id=strategy.node_id, soft=strategy.soft)
    if isinstance(strategy, PlacementGroupSchedulingStrategy):
        group, index = strategy.placement_group, strategy.placement_group_bundle_index
        captures = strategy.placement_group_capture_child_tasks
    elif strategy is not None or older is None:
        return None  # "DEFAULT" and "SPREAD" do not capture the parent's group either
    elif older != "default":
        group, index = older, merged["placement_group_bundle_index"]
        captures = merged["placement_group_capture_child_tasks"]
    else:
        engine = current.engine_or_none()
        inherited = engine.placement if engine is not None else None
        return Placement(inherited.group_id, -1, True) if inherited is not None and inherited.captures else None
    if group is None:
        return None
    check_bundle_index(group, index)
    check_fit(name, resources, group, index)
    return Placement(group.id, index, bool(captures))
