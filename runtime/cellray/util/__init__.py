"""What is built on the public verbs, under the names of Ray's `ray.util`: pools, queues, executors, helpers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# At once, because the module has the name of its main function: imported later it would take that name's place here.
from cellray.util.placement_group import (
    get_current_placement_group,
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)

if TYPE_CHECKING:
    from cellray.api.actor import list_named_actors
    from cellray.util import actor_pool, executor, joblib, multiprocessing, queue, scheduling_strategies
    from cellray.util.actor_pool import ActorPool
    from cellray.util.check_serialize import inspect_serializability
    from cellray.util.executor import CellrayExecutor
    from cellray.util.helpers import as_completed, get_node_ip_address, map_unordered

__all__ = [
    "ActorPool",
    "CellrayExecutor",
    "actor_pool",
    "as_completed",
    "executor",
    "get_current_placement_group",
    "get_node_ip_address",
    "get_placement_group",
    "inspect_serializability",
    "joblib",
    "list_named_actors",
    "map_unordered",
    "multiprocessing",
    "placement_group",
    "placement_group_table",
    "queue",
    "remove_placement_group",
    "scheduling_strategies",
]

# Imported when they are first used: most programs need one of them, or none.
_HOMES = {
    "ActorPool": "cellray.util.actor_pool",
    "CellrayExecutor": "cellray.util.executor",
    "inspect_serializability": "cellray.util.check_serialize",
    "as_completed": "cellray.util.helpers",
    "get_node_ip_address": "cellray.util.helpers",
    "list_named_actors": "cellray.api.actor",
    "map_unordered": "cellray.util.helpers",
}
_MODULES = ("actor_pool", "executor", "joblib", "multiprocessing", "queue", "scheduling_strategies")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"cellray.util.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'cellray.util' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
