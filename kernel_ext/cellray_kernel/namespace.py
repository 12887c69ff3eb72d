"""The notebook's values that a remote cell takes along, sorted by the way in which each travels."""

from __future__ import annotations

import builtins
import difflib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from cellray_kernel.capture import CellAnalysis
from cellray_kernel.lazy_modules import module_path

OUTPUT_HISTORY = re.compile(r"_{1,3}|_\d+|_i{1,3}|_i\d+|_[oid]h")
KERNEL_ONLY = frozenset({"In", "Out", "get_ipython", "exit", "quit"})
MODULE_NAMES = frozenset({"__name__", "__doc__", "__builtins__", "__file__", "__debug__"})
PROVIDED_REMOTELY = "display"
NEAR_MATCHES_MAX = 3


@dataclass(frozen=True, slots=True)
class Captured:
    """`modules` maps names to what to import; `refs` are given as arguments, so that they arrive as values."""

    values: dict[str, Any] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    refs: dict[str, Any] = field(default_factory=dict)


class RemoteNameError(NameError):
    """A remote cell reads a name that the notebook does not have, or that cannot leave the kernel."""

    def __init__(self, name: str, line: int, label: str, advice: str) -> None:
        super().__init__(f"{label}, line {line}: {advice}", name=name)
        self.line = line

    def _render_traceback_(self) -> list[str]:
        """IPython shows this instead of the magic's own frames."""
        return [f"NameError: {self}"]


def capture(
    analysis: CellAnalysis,
    namespace: Mapping[str, Any],
    *,
    is_ref: Callable[[Any], bool],
    is_superseded: Callable[[Any], bool] = lambda ref: False,
    given: Collection[str] = (),
    hidden: Mapping[str, Any] | None = None,
    label: str = "this cell",
    first_line: int = 1,
) -> Captured:
    """Look up what the cell needs. Raises RemoteNameError at once for what is nowhere.

    `given` are names that a fan-out supplies; `hidden` IPython's own initial names; `is_superseded` says that a
    future was made by the cell's own previous run: where the cell may bind the name itself it is not waited for.
    """
    captured = Captured()
    for name, line in analysis.needed.items():
        if name in given or name in MODULE_NAMES:
            continue
        _refuse_kernel_names(name, line + first_line - 1, namespace, hidden or {}, label)
        if name in namespace:
            _sort_in(captured, name, namespace[name], is_ref, hidden or {})
        elif not hasattr(builtins, name) and name != PROVIDED_REMOTELY:
            raise RemoteNameError(name, line + first_line - 1, label, _advice(name, namespace, analysis))
    for name in analysis.maybe_needed:
        if name in given or name not in namespace or name in KERNEL_ONLY:
            continue
        if not is_superseded(namespace[name]):
            _sort_in(captured, name, namespace[name], is_ref, hidden or {})
    return captured


def _sort_in(
    captured: Captured,
    name: str,
    value: Any,
    is_ref: Callable[[Any], bool],
    hidden: Mapping[str, Any],
) -> None:
    if name == PROVIDED_REMOTELY and (value is hidden.get(name) or _is_ipython_display(value)):
        return
    if isinstance(value, ModuleType):
        captured.modules[name] = module_path(value)
    elif is_ref(value):
        captured.refs[name] = value
    else:
        captured.values[name] = value


def _is_ipython_display(value: Any) -> bool:
    return getattr(value, "__module__", "").startswith("IPython.") and getattr(value, "__name__", "") == "display"


def _refuse_kernel_names(
    name: str, line: int, namespace: Mapping[str, Any], hidden: Mapping[str, Any], label: str
) -> None:
    is_own = name in namespace and name in hidden and namespace[name] is not hidden[name]
    if name in KERNEL_ONLY and not is_own:
        raise RemoteNameError(
            name, line, label, f"{name!r} belongs to the notebook's kernel and does not exist on a worker"
        )
    if OUTPUT_HISTORY.fullmatch(name):
        raise RemoteNameError(
            name, line, label, f"{name!r} is the kernel's input and output history: give the value a name first"
        )


def _advice(name: str, namespace: Mapping[str, Any], analysis: CellAnalysis) -> str:
    known = [other for other in namespace if not other.startswith("_")]
    near = difflib.get_close_matches(name, [*known, *analysis.assigned, *dir(builtins)], n=NEAR_MATCHES_MAX, cutoff=0.7)
    text = f"name {name!r} is not defined"
    if name in analysis.assigned:
        return f"{text} yet: the cell binds it only further down"
    if near:
        return f"{text}. Did you mean {' or '.join(repr(other) for other in near)}?"
    return f"{text}: run the cell that defines it, or define it in this one"
