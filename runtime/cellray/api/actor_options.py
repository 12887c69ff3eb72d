"""Options of remote classes: what there is, what is allowed, and a clear word about anything else."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from cellray.api.recovery_options import (
    RECOVERY_DEFAULTS,
    RECOVERY_OPTIONS,
    check_recovery_option,
    resolve_recovery,
)
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
    "concurrency_groups": None,
    "max_pending_calls": -1,
    "allow_out_of_order_execution": None,
    "recover": None,
    "checkpoint_every": None,
}
"""Names and defaults of Ray 2.x core. An actor without resources of its own holds none; one that asks for GPUs or
custom resources and says nothing of CPUs holds one CPU. `recover` and `checkpoint_every` are ours: see
`api.recovery_options`."""
MAX_CONCURRENCY_ASYNC = 1000
"""How many calls of an async actor run at a time, unless `max_concurrency` says otherwise."""


def check_actor_options(options: Mapping[str, Any]) -> None:
    """Raise ValueError or TypeError that names the option, what is wrong with it, and what is allowed."""
    for name, value in options.items():
        if name not in ACTOR_DEFAULTS:
            near = difflib.get_close_matches(name, ACTOR_DEFAULTS, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"unknown option {name!r} of an actor; {hint}The options are {', '.join(ACTOR_DEFAULTS)}.")
        _check_one(name, value)


def _check_one(name: str, value: Any) -> None:
    if name in ("max_restarts", "max_task_retries", "max_pending_calls"):
        if isinstance(value, bool) or not isinstance(value, int) or value < -1:
            raise ValueError(f"{name}={value!r}: give a whole number, or -1 for without end")
    elif name == "max_concurrency":
        if value is not None and not _is_count(value):
            raise ValueError(f"max_concurrency={value!r}: give a whole number of at least 1")
    elif name == "concurrency_groups":
        _check_groups(value)
    elif name == "allow_out_of_order_execution":
        if value not in (None, True, False):
            raise TypeError(f"allow_out_of_order_execution={value!r}: give True, False or None")
    elif name == "lifetime":
        if value not in (None, "detached", "non_detached"):
            raise ValueError("actor `lifetime` argument must be one of 'detached', 'non_detached' and 'None'.")
    elif name in RECOVERY_OPTIONS:
        check_recovery_option(name, value)
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


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_groups(groups: Any) -> None:
    if groups is None:
        return
    if not isinstance(groups, dict) or not all(isinstance(name, str) and name for name in groups):
        raise TypeError(f"concurrency_groups={groups!r}: give a dict of names and numbers, such as {{'io': 2}}")
    for name, limit in groups.items():
        if not _is_count(limit):
            raise ValueError(f"concurrency_groups[{name!r}]={limit!r}: give a whole number of at least 1")


def is_async_class(actor_class: type) -> bool:
    """Whether any method is `async def`: all of the actor's calls run on one event loop then, as in Ray."""
    methods = inspect.getmembers(actor_class, inspect.isroutine)
    return any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for _, each in methods)


def resolve_actor_options(
    options: Mapping[str, Any], actor_class: type, methods: tuple[MethodOptions, ...], cell: Cell | None
) -> SubmitOptions:
    """Defaults filled in, resources made exact. Raises ValueError for options that do not go together."""
    merged = {**ACTOR_DEFAULTS, **options}
    is_async = is_async_class(actor_class)
    max_concurrency = merged["max_concurrency"] or (MAX_CONCURRENCY_ASYNC if is_async else 1)
    is_concurrent = is_async or max_concurrency > 1 or bool(merged["concurrency_groups"])
    recovery = resolve_recovery(options, actor_class, is_concurrent=is_concurrent)
    if recovery.recovers:
        merged |= {**RECOVERY_DEFAULTS, **options}
    if merged["max_task_retries"] and not merged["max_restarts"]:
        raise ValueError("'max_task_retries' cannot be set if 'max_restarts' is 0 or if 'max_restarts' is not set.")
    if merged["get_if_exists"] and not merged["name"]:
        raise ValueError("The actor name must be specified to use `get_if_exists`.")
    groups = merged["concurrency_groups"] or {}
    for method in methods:
        check_group(method.concurrency_group, groups, f"{actor_class.__qualname__}.{method.name}")
    if merged["allow_out_of_order_execution"] is False and (is_async or max_concurrency > 1):
        raise ValueError(
            "Calls of async and of threaded actors may end in another order than they began. Leave "
            "allow_out_of_order_execution out, or use an ordinary class with max_concurrency=1."
        )
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
        max_concurrency=max_concurrency,
        is_async=is_async,
        concurrency_groups=tuple(sorted(groups.items())),
        max_pending_calls=merged["max_pending_calls"],
        recovers=recovery.recovers,
        checkpoint_every=recovery.checkpoint_every,
        forgets=recovery.forgets,
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


def check_group(name: str, groups: Mapping[str, int], method: str) -> None:
    """Raise ValueError when a method names a concurrency group that its class does not have."""
    if name and name not in groups:
        listed = ", ".join(repr(each) for each in groups) or "none"
        raise ValueError(
            f"{method}: there is no concurrency group {name!r}; the class has {listed}. Groups are named by "
            "@cellray.remote(concurrency_groups={...})."
        )
