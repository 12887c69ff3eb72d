"""Options of remote functions: what there is, what is allowed, and a clear word about anything else."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

from cellray.model.task import Cell, make_resources
from cellray.ports import SubmitOptions

TASK_DEFAULTS: dict[str, Any] = {
    "num_cpus": 1,
    "num_gpus": 0,
    "memory": 0,
    "resources": None,
    "num_returns": 1,
    "max_retries": 3,
    "retry_exceptions": False,
    "name": None,
}
"""Names and defaults of Ray 2.x core."""

# Resources with an option of their own: Ray refuses them in `resources` as well.
RESERVED_RESOURCES = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}


def check_options(options: Mapping[str, Any]) -> None:
    """Raise ValueError or TypeError that names the option, what is wrong with it, and what is allowed."""
    for name, value in options.items():
        if name not in TASK_DEFAULTS:
            near = difflib.get_close_matches(name, TASK_DEFAULTS, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"unknown option {name!r} of a remote function; {hint}The options are {_listed()}.")
        _check_one(name, value)


def _listed() -> str:
    return ", ".join(TASK_DEFAULTS)


def _check_one(name: str, value: Any) -> None:
    if name in ("num_cpus", "num_gpus", "memory"):
        if value is not None and not is_amount(value):
            raise ValueError(f"{name}={value!r}: give a number of at least 0")
    elif name == "num_returns":
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"num_returns={value!r}: give a whole number of at least 0")
    elif name == "max_retries":
        if isinstance(value, bool) or not isinstance(value, int) or value < -1:
            raise ValueError(f"max_retries={value!r}: give a whole number, or -1 to retry without end")
    elif name == "retry_exceptions":
        if not isinstance(value, bool):
            raise TypeError(f"retry_exceptions={value!r}: give True or False")
    elif name == "name":
        if value is not None and not isinstance(value, str):
            raise TypeError(f"name={value!r}: give a string")
    elif value is not None:
        check_resources(value)


def is_amount(value: Any) -> bool:
    """Whether the value is a finite number of at least 0."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


def check_resources(resources: Any) -> None:
    """Custom resources: a dict of names and amounts."""
    if not isinstance(resources, dict) or not all(isinstance(key, str) for key in resources):
        raise TypeError(f"resources={resources!r}: give a dict of names and amounts, such as {{'accelerator': 1}}")
    for key, amount in resources.items():
        if key in RESERVED_RESOURCES:
            raise ValueError(f"use the option {RESERVED_RESOURCES[key]!r} instead of {key!r} in resources")
        if not is_amount(amount):
            raise ValueError(f"resources[{key!r}]={amount!r}: give a number of at least 0")


def resolve_options(options: Mapping[str, Any], function_name: str, cell: Cell | None) -> SubmitOptions:
    """Defaults filled in, resources made exact."""
    merged = {**TASK_DEFAULTS, **options}
    amounts = dict(merged["resources"] or {})
    for resource, option in RESERVED_RESOURCES.items():
        amount = merged[option]
        amounts[resource] = TASK_DEFAULTS[option] if amount is None else amount
    return SubmitOptions(
        name=merged["name"] or function_name,
        resources=make_resources(amounts),
        num_returns=merged["num_returns"],
        max_retries=merged["max_retries"],
        retry_exceptions=merged["retry_exceptions"],
        cell=cell,
    )
