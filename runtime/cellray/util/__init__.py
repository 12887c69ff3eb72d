"""What is built on the public verbs, under the names of Ray's `ray.util`: pools, queues, executors, helpers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellray.util import actor_pool, executor, joblib, multiprocessing
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
    "get_node_ip_address",
    "inspect_serializability",
    "joblib",
    "map_unordered",
    "multiprocessing",
]

# Imported when they are first used: most programs need one of them, or none.
_HOMES = {
    "ActorPool": "actor_pool",
    "CellrayExecutor": "executor",
    "inspect_serializability": "check_serialize",
    "as_completed": "helpers",
    "get_node_ip_address": "helpers",
    "map_unordered": "helpers",
}
_MODULES = ("actor_pool", "executor", "joblib", "multiprocessing")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"cellray.util.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'cellray.util' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"cellray.util.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
