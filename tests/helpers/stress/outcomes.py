"""The model: what a reference may turn out to be."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from cellray.exceptions import TaskError

MODULUS = (1 << 61) - 1
POSSIBLE_MAX = 8
"""With more possible values than this, nothing further is made to depend on an outcome."""


def mix(key: int, values: Iterable[int]) -> int:
    """What every task computes from its inputs: a number that each of them, and their order, shows in."""
    total = key * 1_000_003
    for place, value in enumerate(values):
        total = (total * 31 + (place + 1) * value) % MODULUS
    return total


class Outcome:
    """The values that a reference may have, and the errors that `get` may raise instead.

    Values are known when the task is submitted; errors may come to be possible later, when something is cancelled or
    killed, and then for all that depends on it too. `elements` are the outcomes of the references that the value
    consists of, for a task that returns references.
    """

    def __init__(
        self,
        values: Iterable[int] = (),
        errors: Iterable[type[BaseException]] = (),
        inputs: Sequence[Outcome] = (),
        elements: Sequence[Outcome] = (),
    ) -> None:
        self.values = frozenset(values)
        self.errors = set(errors)
        self.elements = list(elements)
        self.locked = False
        self._inputs = list(inputs)
        self._dependents: list[Outcome] = []
        for each in inputs:
            each._dependents.append(self)
            self.errors |= each.errors

    @property
    def is_certain(self) -> bool:
        """Whether exactly one thing can happen."""
        return len(self.values) == 1 and not self.errors

    @property
    def is_open(self) -> bool:
        """Whether something may be made to depend on it."""
        return len(self.values) <= POSSIBLE_MAX

    def allow(self, error: type[BaseException]) -> None:
        """The error is possible from now on, here and in what depends on this."""
        todo = [self]
        while todo:
            outcome = todo.pop()
            if error not in outcome.errors:
                assert not outcome.locked, "what others rely on may not become uncertain"
                outcome.errors.add(error)
                todo += outcome._dependents

    def lock(self) -> bool:
        """Rely on what is certain now: nothing that could change it may happen any more. False if it is not certain."""
        if not self.is_certain:
            return False
        todo = [self]
        while todo:
            outcome = todo.pop()
            if not outcome.locked:
                outcome.locked = True
                todo += outcome._inputs
        return True

    def may_fail(self) -> bool:
        """Whether nobody relies on this or on what depends on it."""
        todo = [self]
        while todo:
            outcome = todo.pop()
            if outcome.locked:
                return False
            todo += outcome._dependents
        return True

    def accepts(self, value: int) -> bool:
        """Whether the value is one of the possible ones."""
        return value in self.values

    def accepts_error(self, error: BaseException) -> bool:
        """Whether the error is possible, by itself or as the cause of the error of a task that met it in `get`."""
        possible = tuple(self.errors)
        while isinstance(error, TaskError) and not isinstance(error, possible):
            error = error.cause
        return isinstance(error, possible)

    def __repr__(self) -> str:
        errors = sorted(error.__name__ for error in self.errors)
        return f"{sorted(self.values)} or {errors}"


def computed(key: int, inputs: Sequence[Outcome], **more: Any) -> Outcome:
    """The outcome of a task that mixes the values of its inputs, once for each combination of possible ones."""
    values = {mix(key, each) for each in itertools.product(*[outcome.values for outcome in inputs])}
    return Outcome(values, inputs=inputs, **more)
