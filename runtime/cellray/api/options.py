"""Options of remote functions: what there is, what is allowed, and a clear word about anything else."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from cellray.api.requirements import REQUIREMENTS, check_requirement, resolve_requirements
from cellray.model.task import Cell, StreamOptions
from cellray.ports import SubmitOptions
from cellray.serialization import serialize

TASK_DEFAULTS: dict[str, Any] = {
    "num_cpus": 1,
    **REQUIREMENTS,
    "num_returns": None,
    "max_retries": 3,
    "retry_exceptions": False,
    "max_calls": None,
    "name": None,
    "label_selector": None,
    "fallback_strategy": None,
    "enable_task_events": True,
    "_metadata": None,
    "_labels": None,
    "_generator_backpressure_num_objects": None,
}
"""Names and defaults of Ray 2.x core. `enable_task_events`, `_metadata` and `_labels` are taken and change nothing: the
event log is complete, because recovery and lineage read it."""


def check_options(options: Mapping[str, Any]) -> None:
    """Raise ValueError or TypeError that names the option, what is wrong with it, and what is allowed."""
    for name, value in options.items():
        if name not in TASK_DEFAULTS:
            near = difflib.get_close_matches(name, TASK_DEFAULTS, 1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"Invalid option keyword {name} for remote functions. {hint}Valid ones are {list(TASK_DEFAULTS)}."
            )
        _CHECKS.get(name, check_requirement)(name, value)


def check_overrides(options: Mapping[str, Any]) -> None:
    """As `check_options`, for those given to `.options()`."""
    check_options(options)
    if "max_calls" in options:
        raise ValueError("Setting 'max_calls' is not supported in '.options()'. Give it to '@cellray.remote'.")


def check_returns(name: str, value: Any) -> None:
    """A number, or a word for generators."""
    if value in (None, "streaming", "dynamic"):
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(
            f"{name}={value!r}: give None, a whole number of at least 0, or 'streaming' or 'dynamic' for generators"
        )


def _check_count(name: str, value: Any, least: int, least_means: str) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
        raise ValueError(f"{name}={value!r}: give a whole number, or {least} {least_means}")


def _check_retries(name: str, value: Any) -> None:
    _check_count(name, value, -1, "to retry without end")


def _check_calls(name: str, value: Any) -> None:
    _check_count(name, value, 0, "for no limit")


def check_retry_exceptions(name: str, value: Any) -> None:
    """A bool, or a list or tuple of exception classes."""
    if isinstance(value, list | tuple):
        for each in value:
            if not (isinstance(each, type) and issubclass(each, Exception)):
                raise ValueError(f"{name} must be either a boolean or a list of exceptions, and {each!r} is none")
    elif not isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: give True, False or a list of exception classes")


def exceptions_to_retry(value: Any) -> tuple[bool, bytes]:
    """Whether exceptions are retried, and the pickled classes that this is limited to; none for all.

    Raises SerializationError when one of them cannot be pickled.
    """
    if not isinstance(value, list | tuple) or not value:
        return bool(value), b""
    return True, serialize(tuple(value), "retry_exceptions").to_bytes()


def check_unread(name: str, value: Any) -> None:
    """How many items of a generator may be unread."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise TypeError(f"{name}={value!r}: give a whole number or None")
    if value == 0:
        raise ValueError(
            f"{name}=0 is not allowed. Use a value > 0: with 1 the next item is made when the one before has been "
            "taken, as in a Python generator. Use -1 to disable this feature."
        )


def _check_selector(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, dict | list):
        raise TypeError(f"{name}={value!r}: give a dict of labels, or None")
    if value:
        raise ValueError(f"{name}={value!r}: the node of this session has no labels; leave the option out")


def _check_text(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name}={value!r}: give a string")


def _check_bool(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: give True or False")


def _check_dict(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, dict):
        raise TypeError(f"{name}={value!r}: give a dict")


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "num_returns": check_returns,
    "max_retries": _check_retries,
    "retry_exceptions": check_retry_exceptions,
    "max_calls": _check_calls,
    "name": _check_text,
    "label_selector": _check_selector,
    "fallback_strategy": _check_selector,
    "enable_task_events": _check_bool,
    "_metadata": _check_dict,
    "_labels": _check_dict,
    "_generator_backpressure_num_objects": check_unread,
}


def resolve_options(
    options: Mapping[str, Any], function_name: str, cell: Cell | None, *, is_generator: bool = False
) -> SubmitOptions:
    """Defaults filled in, resources made exact."""
    merged = {**TASK_DEFAULTS, **options}
    num_cpus = TASK_DEFAULTS["num_cpus"] if merged["num_cpus"] is None else merged["num_cpus"]
    required = resolve_requirements(function_name, merged, num_cpus)
    num_returns = merged["num_returns"]
    if num_returns is None:
        num_returns = "streaming" if is_generator else 1
    stream = StreamOptions(merged["_generator_backpressure_num_objects"] or -1) if num_returns == "streaming" else None
    retries, retry_only = exceptions_to_retry(merged["retry_exceptions"])
    # A GPU's memory is given back when the process ends.
    max_calls = merged["max_calls"] if merged["max_calls"] is not None else int(bool(merged["num_gpus"]))
    return SubmitOptions(
        name=merged["name"] or function_name,
        resources=required.resources,
        num_returns=num_returns if isinstance(num_returns, int) else 1,
        max_retries=TASK_DEFAULTS["max_retries"] if merged["max_retries"] is None else merged["max_retries"],
        retry_exceptions=retries,
        cell=cell,
        environment=required.environment,
        placement=required.placement,
        retry_only=retry_only,
        stream=stream,
        max_calls=max_calls,
    )
