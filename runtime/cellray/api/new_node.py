"""What the node of a new session has: what `init` was told, and where it says nothing, what this machine has."""

from __future__ import annotations

import os
from typing import NamedTuple

from cellray.api.amounts import check_resources, is_amount
from cellray.model.task import Resources, make_resources
from cellray.node.hardware import CUDA_VISIBLE_DEVICES, detect_gpus, visible_devices
from cellray.store import available_memory_bytes, check_room, default_arena_bytes, usable_cpus


class NewNode(NamedTuple):
    """Resources that tasks may ask for, the size of the object store, and how many workers to begin with."""

    resources: Resources
    arena_bytes: int
    workers: int


def new_node(
    num_cpus: int | None,
    num_gpus: int | None,
    resources: dict[str, float] | None,
    memory: int | None,
    object_store_memory: int | None,
) -> NewNode:
    """Check it all, before any process is started. Raises ValueError, TypeError, or ObjectStoreFullError."""
    check_resources(resources or {})
    amounts = dict(resources or {})
    cpus = _number_of_cpus(num_cpus)
    arena_bytes = _arena_bytes(object_store_memory)
    amounts |= {"CPU": cpus, "memory": _memory_bytes(memory, arena_bytes)} | _gpus(num_gpus)
    return NewNode(make_resources(amounts), arena_bytes, max(1, cpus))


def _number_of_cpus(num_cpus: int | None) -> int:
    if num_cpus is None:
        text = os.environ.get("CELLRAY_NUM_CPUS")
        if text and not text.isdecimal():
            raise ValueError(f"CELLRAY_NUM_CPUS={text!r}: give a whole number of at least 0")
        num_cpus = int(text) if text else usable_cpus()
    if isinstance(num_cpus, bool) or not isinstance(num_cpus, int) or num_cpus < 0:
        raise ValueError(f"num_cpus={num_cpus!r}: give a whole number of at least 0")
    return num_cpus


def _gpus(num_gpus: int | None) -> dict[str, float]:
    if num_gpus is None:
        found = detect_gpus()
        types = {f"accelerator_type:{found.accelerator_type}": 1.0} if found.accelerator_type else {}
        return {"GPU": found.number, **types}
    if isinstance(num_gpus, bool) or not isinstance(num_gpus, int | float) or num_gpus < 0 or num_gpus != int(num_gpus):
        raise ValueError(f"num_gpus={num_gpus!r}: give a whole number of at least 0")
    visible = visible_devices()
    if visible is not None and num_gpus > len(visible):
        raise ValueError(
            f"num_gpus={num_gpus!r}, but {CUDA_VISIBLE_DEVICES}={os.environ[CUDA_VISIBLE_DEVICES]!r} shows "
            f"{len(visible)}. Ask for fewer, or change the variable."
        )
    return {"GPU": num_gpus}


def _arena_bytes(object_store_memory: int | None) -> int:
    given = object_store_memory
    is_count = isinstance(given, int | float) and not isinstance(given, bool) and float(given).is_integer()
    if given is not None and not (is_count and given > 0):
        raise ValueError(f"object_store_memory={given!r}: give a number of bytes, such as 500_000_000")
    arena_bytes = int(given) if given is not None else default_arena_bytes()
    check_room(arena_bytes)
    return arena_bytes


def _memory_bytes(memory: int | None, arena_bytes: int) -> int:
    """For the heaps of tasks: what the object store leaves of the available memory, which is 70% by default."""
    if memory is None:
        return max(0, available_memory_bytes() - arena_bytes)
    if not is_amount(memory):
        raise ValueError(f"_memory={memory!r}: give a number of bytes")
    return int(memory)
