"""Options of an actor's methods, as the class, the actor and the call have them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from cellray.api.actor_options import check_group
from cellray.api.options import check_retry_exceptions, check_returns, check_unread, exceptions_to_retry
from cellray.api.parameters import parameters_of
from cellray.model.actor import ActorOptions, MethodOptions, Parameter
from cellray.model.task import Cell, StreamOptions
from cellray.ports import SubmitOptions

ACTOR_METHOD_MARK = "__cellray_method__"
BACKPRESSURE = "_generator_backpressure_num_objects"
METHOD_OPTIONS = ("num_returns", "name", "max_task_retries", "retry_exceptions", "concurrency_group", BACKPRESSURE)
CLASS_METHOD_OPTIONS = (*METHOD_OPTIONS, "read_only")
"""Those that only the class can give: whether a method changes the actor is a matter of its code."""
BUILTIN_METHODS = ("__ray_ready__", "__ray_call__", "__ray_terminate__", "__cellray_checkpoint__")
"""What every actor has besides its class's methods, under Ray's names; `worker/actor_methods.py` holds them.
`__cellray_checkpoint__` is ours: it makes a checkpoint now, and returns how many bytes it has."""
READ_ONLY_BUILTINS = ("__ray_ready__", "__ray_terminate__", "__cellray_checkpoint__")


def check_method_options(options: Mapping[str, Any], known: tuple[str, ...] = METHOD_OPTIONS) -> None:
    """Raise ValueError or TypeError that names the option and what is wrong with it."""
    for name, value in options.items():
        if name not in known:
            if name in CLASS_METHOD_OPTIONS:
                raise ValueError(f"{name!r} is given in the class, with @cellray.method({name}=...), not with a call.")
            raise ValueError(f"unknown option {name!r} of an actor's method. The options are {', '.join(known)}.")
        if name == "read_only" and not isinstance(value, bool):
            raise TypeError(f"read_only={value!r}: give True for a method that leaves the actor's state as it is")
        if name == "num_returns":
            check_returns(name, value)
            if value == "dynamic":
                raise ValueError("num_returns='dynamic' is not for methods: use num_returns='streaming'")
        if name == BACKPRESSURE:
            check_unread(name, value)
        if name == "max_task_retries" and (isinstance(value, bool) or not isinstance(value, int) or value < -1):
            raise ValueError(f"max_task_retries={value!r}: give a whole number, or -1 to retry without end")
        if name == "retry_exceptions":
            check_retry_exceptions(name, value)
        if name in ("name", "concurrency_group") and value is not None and not isinstance(value, str):
            raise TypeError(f"{name}={value!r}: give a string")


def method_table(actor_class: type) -> tuple[MethodOptions, ...]:
    """The methods of a class, inherited ones included, that its actors can be called by."""
    table: list[MethodOptions] = []
    for name, each in inspect.getmembers(
        actor_class, lambda value: inspect.isfunction(value) or inspect.ismethod(value)
    ):
        if name in ("__init__", "__new__", "__init_subclass__", "__class_getitem__"):
            continue
        is_bound = inspect.ismethod(each) or isinstance(inspect.getattr_static(actor_class, name), staticmethod)
        parameters = parameters_of(each, without_first=not is_bound)
        table.append(_method(name, each, parameters, getattr(each, ACTOR_METHOD_MARK, {})))
    return tuple(table)


def _method(
    name: str, function: Any, parameters: tuple[Parameter, ...] | None, marked: Mapping[str, Any]
) -> MethodOptions:
    num_returns = marked.get("num_returns")
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    retries, retry_only = exceptions_to_retry(marked.get("retry_exceptions", False))
    return MethodOptions(
        name,
        num_returns=num_returns if isinstance(num_returns, int) else 1,
        max_task_retries=marked.get("max_task_retries"),
        retry_exceptions=retries,
        concurrency_group=marked.get("concurrency_group") or "",
        streams=num_returns == "streaming" or (num_returns is None and is_generator),
        unread_max=marked.get(BACKPRESSURE) or -1,
        retry_only=retry_only,
        read_only=marked.get("read_only", False),
        parameters=parameters,
    )


def resolve_method_options(
    actor: ActorOptions, name: str, options: Mapping[str, Any], cell: Cell | None
) -> SubmitOptions:
    """Those of the call over those of the class over those of the actor."""
    method = next((method for method in actor.methods if method.name == name), MethodOptions(name))
    group = options.get("concurrency_group") or method.concurrency_group
    check_group(group, dict(actor.concurrency_groups), f"{actor.class_name}.{name}")
    retries = options.get("max_task_retries", method.max_task_retries)
    num_returns = options.get("num_returns")
    streams = num_returns == "streaming" or (num_returns is None and method.streams)
    retry_exceptions, retry_only = method.retry_exceptions, method.retry_only
    if "retry_exceptions" in options:
        retry_exceptions, retry_only = exceptions_to_retry(options["retry_exceptions"])
    return SubmitOptions(
        name=options.get("name") or f"{actor.class_name}.{name}",
        resources=(),
        num_returns=num_returns if isinstance(num_returns, int) else method.num_returns,
        max_retries=actor.max_task_retries if retries is None else retries,
        retry_exceptions=retry_exceptions,
        cell=cell,
        method=name,
        concurrency_group=group,
        max_pending_calls=actor.max_pending_calls,
        retry_only=retry_only,
        stream=StreamOptions(options.get(BACKPRESSURE) or method.unread_max) if streams else None,
        recorded=actor.recovers and not method.read_only and name not in READ_ONLY_BUILTINS,
    )


def no_such_method(actor: ActorOptions, name: str) -> AttributeError:
    """The error for a name that the actor's class does not have as a method."""
    near = difflib.get_close_matches(name, [method.name for method in actor.methods], 3)
    hint = f"; did you mean {' or '.join(repr(each) for each in near)}?" if near else ""
    return AttributeError(
        f"actors of class {actor.class_name} have no method {name!r}{hint} (attributes and properties of the instance "
        "are read by a method)"
    )
