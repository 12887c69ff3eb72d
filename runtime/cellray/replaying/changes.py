"""What is to be other than then: functions in place of functions, wherever tasks use them.

A function that travelled by value brought along what it captured: helpers, other remote functions, classes. Those are
exchanged inside of it. What it imports from modules is today's in any case.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

from cellray.api.actor import ActorClass
from cellray.api.remote_function import RemoteFunction
from cellray.model.task import Function

Code = Callable[..., Any]


class Changes:
    """`functions` maps what was called then to what is called now. `used` are the keys that something was found for."""

    def __init__(self, functions: Mapping[Any, Any]) -> None:
        self.used: set[str] = set()
        self._new: dict[str, Code] = {}
        for old, new in functions.items():
            self._new[old if isinstance(old, str) else full_name(plain(old, "a key"))] = plain(new, "a value")

    @property
    def unused(self) -> list[str]:
        """Names of which nothing was found."""
        return [name for name in self._new if name not in self.used]

    def applied(self, loaded: Code, function: Function) -> tuple[Code, str]:
        """What is called instead of a function of then, and the name of what changed in it; empty if nothing did."""
        if not self._new:
            return loaded, ""
        new = self._find(function.module, function.name)
        if new is not None:
            return new, function.name
        exchange = _Exchange(self._find)
        exchange.inside(loaded)
        return loaded, ", ".join(exchange.names)

    def applied_to(self, value: Any) -> str:
        """Exchange what is in a value, in place: for functions that only carry out what others wrote, such as the one
        that runs notebook cells, whose code is among its arguments. The names of what changed."""
        if not self._new:
            return ""
        exchange = _Exchange(self._find)
        exchange.within(value)
        return ", ".join(dict.fromkeys(exchange.names))

    def _find(self, module: str, name: str) -> Code | None:
        for key in (f"{module}.{name}", name, name.rpartition(".")[2]):
            new = self._new.get(key)
            if new is not None:
                self.used.add(key)
                return new
        return None


class _Exchange:
    """One walk through what a function captured."""

    def __init__(self, find: Callable[[str, str], Code | None]) -> None:
        self.names: list[str] = []
        self._find = find
        self._seen: set[int] = set()

    def inside(self, code: Any) -> None:
        """Exchange what a function, or the methods of a class, captured."""
        if id(code) in self._seen:
            return
        self._seen.add(id(code))
        if isinstance(code, type):
            for member in vars(code).values():
                self.inside(getattr(member, "__func__", member))
        elif isinstance(code, types.FunctionType) and not is_imported(code):
            for name in _names_in(code.__code__):
                if name in code.__globals__:
                    code.__globals__[name] = self._exchanged(code.__globals__[name])
            for cell in code.__closure__ or ():
                try:
                    cell.cell_contents = self._exchanged(cell.cell_contents)
                except ValueError:
                    continue  # a variable that has no value yet
            self.inside(getattr(code, "__wrapped__", None))

    def within(self, value: Any) -> None:
        """Exchange what dicts hold, at whatever depth of containers and of plain records."""
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        if isinstance(value, dict):
            for key, each in value.items():
                value[key] = self._exchanged(each)
                self.within(each)
        elif isinstance(value, list | tuple):
            for each in value:
                self.within(each)
        elif dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                self.within(getattr(value, field.name))

    def _exchanged(self, value: Any) -> Any:
        if not isinstance(value, RemoteFunction | ActorClass | types.FunctionType | type):
            return value
        code = plain(value, "")
        new = self._find(getattr(code, "__module__", "") or "", getattr(code, "__qualname__", ""))
        if new is None:
            self.inside(code)
            return value
        self.names.append(code.__qualname__)
        if isinstance(value, RemoteFunction):
            return RemoteFunction(new, value._options)
        return ActorClass(new, value._options) if isinstance(value, ActorClass) and isinstance(new, type) else new


def plain(code: Any, what: str) -> Code:
    """The function or class under a remote one. Raises TypeError for anything else."""
    if isinstance(code, RemoteFunction):
        return code._function
    if isinstance(code, ActorClass):
        return code._class
    if not callable(code):
        raise TypeError(
            f"functions={{...}} has {code!r:.60} as {what}: give functions or classes, or names of old ones"
        )
    found: Code = code
    return found


def full_name(code: Code) -> str:
    """Module and qualified name, as the log has them."""
    return f"{getattr(code, '__module__', '') or ''}.{getattr(code, '__qualname__', type(code).__qualname__)}"


def is_imported(function: types.FunctionType) -> bool:
    """Whether the function is its module's own: then it is not ours to change."""
    module = sys.modules.get(function.__module__ or "")
    return module is not None and vars(module) is function.__globals__


def _names_in(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_in(constant)
    return names
