"""What one driver of the stress holds, and what it knows of it. The verbs on it stand in files of their own."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import cellray

from tests.helpers.stress import remotes
from tests.helpers.stress.outcomes import Outcome

SIZES = (0, 0, 0, 0, 20_000, 20_000, 60_000)
"""Elements of 8 bytes; most values travel inline, some lie in the store."""
GET_S_MAX = 90.0
WEIGHT = "_stress_weight"
ALONE = "_stress_alone"
F = TypeVar("F", bound=Callable[..., Any])


def verb(weight: int, *, alone: bool = False) -> Callable[[F], F]:
    """Mark a method as something to do, so often. `alone`: not while workers are killed; its outcome depends on that.

    It returns what to tell about it if something goes wrong later, None when there was nothing to do it to.
    """

    def mark(function: F) -> F:
        setattr(function, WEIGHT, weight)
        setattr(function, ALONE, alone)
        return function

    return mark


class Held(NamedTuple):
    """A reference and what it may turn out to be.

    `kind`: "task" and "call" (of an actor) can be cancelled, with and without force, what is "" cannot.
    """

    ref: Any
    outcome: Outcome
    kind: str = ""


class Book:
    """References with their outcomes, and everything random. What is done follows from the seed alone, never from what
    comes out."""

    def __init__(self, seed: int, board: Any, *, with_faults: bool) -> None:
        self.random = random.Random(seed)
        self.checked = 0
        self.name = f"stress-{seed}"
        self.board = board
        self.held: list[Held] = []
        self.borrowed: list[tuple[Any, int]] = []
        self._keys = itertools.count(1)
        self._retried = {"max_retries": -1} if with_faults else {}

    def key(self) -> int:
        """A number for a task, with room for its children's."""
        return next(self._keys) * 1000

    def size(self) -> int:
        """How large a value is to be."""
        return self.random.choice(SIZES)

    def function(self, function: Any, **options: Any) -> Any:
        """A remote function as it is to be used here."""
        merged = {**options, **self._retried}
        return function.options(**merged) if merged else function

    def inputs(self, most: int) -> list[Held]:
        """Some of what is held, now and then one of them twice."""
        able = [each for each in self.held if each.outcome.is_open]
        picked = self.random.sample(able, min(len(able), self.random.randint(0, most)))
        return picked if len(picked) < 2 or self.random.random() < 0.9 else [*picked, picked[0]]

    def keep(self, ref: Any, outcome: Outcome, kind: str = "") -> None:
        """Hold a reference."""
        self.held.append(Held(ref, outcome, kind))

    def check(self, held: Held, timeout: float = GET_S_MAX) -> None:
        """Get it: it must be what it may be."""
        try:
            value = remotes.unwrap(cellray.get(held.ref, timeout=timeout))
        except Exception as error:
            self.check_error(held.outcome, error)
        else:
            self.check_value(held.outcome, value)

    def check_value(self, outcome: Outcome, value: int) -> None:
        """A possible one."""
        assert outcome.accepts(value), f"got {value}, expected {outcome}"
        self.checked += 1

    def check_error(self, outcome: Outcome, error: BaseException) -> None:
        """A possible one."""
        if not outcome.accepts_error(error):
            raise AssertionError(f"got {type(error).__name__}, expected {outcome}") from error
        self.checked += 1

    def check_borrowed(self, ref: Any, value: int) -> None:
        """What another driver has left for us."""
        got = remotes.unwrap(cellray.get(ref, timeout=GET_S_MAX))
        assert got == value, f"a borrowed reference is {got}, not {value}"
        self.checked += 1
