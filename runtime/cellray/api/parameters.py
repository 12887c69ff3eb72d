"""What a remote function, class or method takes, so that a call with other arguments fails where it is written."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import lru_cache
from math import inf
from typing import Any

from cellray.model.actor import Parameter

KINDS = {kind.value: kind for kind in inspect._ParameterKind}
BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
FORMS_MAX = 64


class Parameters:
    """The check of one callable's calls. `None` parameters: it tells nobody what it takes, and everything goes."""

    __slots__ = ("_forms", "_signature", "least", "most")

    def __init__(self, parameters: Iterable[Parameter] | None) -> None:
        self.least = 0
        self.most: float = inf
        """As many positional arguments and no others are surely right."""
        self._signature: inspect.Signature | None = None
        self._forms: set[tuple[Any, ...]] = set()
        if parameters is None:
            return
        rebuilt = [
            inspect.Parameter(name, KINDS[kind], default=None if is_optional else inspect.Parameter.empty)
            for name, kind, is_optional in parameters
        ]
        self._signature = inspect.Signature(rebuilt)
        positional = [each for each in rebuilt if each.kind in BY_POSITION]
        self.least = sum(each.default is inspect.Parameter.empty for each in positional)
        if not any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in rebuilt):
            self.most = len(positional)
        if any(each.kind is inspect.Parameter.KEYWORD_ONLY and each.default is not None for each in rebuilt):
            self.most = -1  # no number is enough

    def check(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raise TypeError, naming the callable and what is wrong, unless it takes these arguments."""
        if self._signature is None:
            return
        form = (len(args), *kwargs)
        if form in self._forms:
            return
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}.remote(): {error}") from None
        if len(self._forms) < FORMS_MAX:
            self._forms.add(form)


def parameters_of(function: Callable[..., Any], *, without_first: bool = False) -> tuple[Parameter, ...] | None:
    """As they travel with actors' handles; None where there is no signature to be had."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if without_first and parameters and parameters[0].kind in BY_POSITION:
        del parameters[0]
    return tuple([(each.name, each.kind.value, each.default is not inspect.Parameter.empty) for each in parameters])


@lru_cache(maxsize=1024)
def parameters_from(travelled: tuple[Parameter, ...] | None) -> Parameters:
    """The check of what `parameters_of` has told; one for all handles."""
    return Parameters(travelled)
