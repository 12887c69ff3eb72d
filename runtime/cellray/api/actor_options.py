"""Options of remote classes: what there is, what is allowed, and a clear word about anything else."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from cellray.api.requirements import REQUIREMENTS, check_requirement, resolve_requirements
from cellray.model.actor import ActorOptions, MethodOptions
from cellray.model.task import Cell
from cellray.ports import SubmitOptions

ACTOR_DEFAULTS: dict[str, Any] = {
    "num_cpus": None,
    **REQUIREMENTS,
    "name": None,
    "namespace": None,
    "get_if_exists": False,
    "lifetime": None,
    "max_restarts": 0,
    "max_task_retries": 0,
    "max_concurrency": None,
}
"""Names and defaults of Ray 2.x core. An actor without resources of its own holds none; one that asks for GPUs or
custom resources and says nothing of CPUs holds one CPU."""


def check_actor_options(options: Mapping[str, Any]) -> None:
    """Raise ValueError or TypeError that names the option, what is wrong with it, and what is allowed."""
    for name, value in options.items():
        if name not in ACTOR_DEFAULTS:
            near = difflib.get_close_matches(name, ACTOR_DEFAULTS, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"unknown option {name!r} of an actor; {hint}The options are {', '.join(ACTOR_DEFAULTS)}.")
        _check_one(name, value)


def _check_one(name: str, value: Any) -> None:
    if name in ("max_restarts", "max_task_retries"):
        if isinstance(value, bool) or not isinstance(value, int) or value < -1:
            raise ValueError(f"{name}={value!r}: give a whole number, or -1 for without end")
    elif name == "max_concurrency":
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"max_concurrency={value!r}: give a whole number of at least 1")
        if value not in (None, 1):
            raise NotImplementedError("max_concurrency above 1 is not in this version of Cellray yet.")
    elif name == "lifetime":
        if value not in (None, "detached", "non_detached"):
            raise ValueError("actor `lifetime` argument must be one of 'detached', 'non_detached' and 'None'.")
    elif name == "get_if_exists":
        if not isinstance(value, bool):
            raise TypeError(f"get_if_exists={value!r}: give True or False")
    elif name in ("name", "namespace"):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} must be None or a string, got: '{type(value)}'.")
        if value == "":
            raise ValueError(f"an actor's {name} cannot be an empty string.")
    else:
        check_requirement(name, value)


def resolve_actor_options(
    options: Mapping[str, Any], actor_class: type, methods: tuple[MethodOptions, ...], cell: Cell | None
) -> SubmitOptions:
    """Defaults filled in, resources made exact. Raises ValueError for options that do not go together."""
    merged = {**ACTOR_DEFAULTS, **options}
    if merged["max_task_retries"] and not merged["max_restarts"]:
        raise ValueError("'max_task_retries' cannot be set if 'max_restarts' is 0 or if 'max_restarts' is not set.")
    if merged["get_if_exists"] and not merged["name"]:
        raise ValueError("The actor name must be specified to use `get_if_exists`.")
    asks = merged["num_gpus"] or merged["accelerator_type"] or any((merged["resources"] or {}).values())
    num_cpus = merged["num_cpus"] if merged["num_cpus"] is not None else 1 if asks else 0
    required = resolve_requirements(f"actor {actor_class.__name__}", merged, num_cpus)
    actor = ActorOptions(
        class_name=actor_class.__qualname__.rpartition("<locals>.")[2],
        methods=methods,
        name=merged["name"] or "",
        namespace=merged["namespace"] or "",
        max_restarts=merged["max_restarts"],
        max_task_retries=merged["max_task_retries"],
        detached=merged["lifetime"] == "detached",
    )
    return SubmitOptions(
        name=f"{actor.class_name}.__init__",
        resources=required.resources,
        num_returns=1,
        max_retries=0,
        retry_exceptions=False,
        cell=cell,
        actor=actor,
        environment=required.environment,
        placement=required.placement,
    )
