"""Options of remote functions: what there is, what is allowed, and a clear word about anything else."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from cellray.api.requirements import REQUIREMENTS, check_requirement, resolve_requirements
from cellray.model.task import Cell
from cellray.ports import SubmitOptions

TASK_DEFAULTS: dict[str, Any] = {
    "num_cpus": 1,
    **REQUIREMENTS,
    "num_returns": 1,
    "max_retries": 3,
    "retry_exceptions": False,
    "name": None,
}
"""Names and defaults of Ray 2.x core."""


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
    if name == "num_returns":
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
    else:
        check_requirement(name, value)


def resolve_options(options: Mapping[str, Any], function_name: str, cell: Cell | None) -> SubmitOptions:
    """Defaults filled in, resources made exact."""
    merged = {**TASK_DEFAULTS, **options}
    num_cpus = TASK_DEFAULTS["num_cpus"] if merged["num_cpus"] is None else merged["num_cpus"]
    required = resolve_requirements(function_name, merged, num_cpus)
    return SubmitOptions(
        name=merged["name"] or function_name,
        resources=required.resources,
        num_returns=merged["num_returns"],
        max_retries=merged["max_retries"],
        retry_exceptions=merged["retry_exceptions"],
        cell=cell,
        environment=required.environment,
        placement=required.placement,
    )
