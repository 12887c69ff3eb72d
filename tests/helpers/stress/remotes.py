"""The tasks and actors of the stress: all compute `mix`, by ways as different as there are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import cellray
import numpy as np

from tests.helpers.stress.outcomes import mix


class FailureError(ValueError):
    """What failing tasks raise."""


def wrap(value: int, size: int) -> Any:
    """The number itself, or as an array of so many elements."""
    return np.full(size, value, np.int64) if size else value


def unwrap(value: Any) -> int:
    """The number; every element of an array must be it."""
    if isinstance(value, int):
        return value
    first = int(value[0])
    assert (value == first).all(), "an array's elements differ"
    return first


@cellray.remote
def combine(key: int, size: int, *inputs: Any) -> Any:
    """Inputs are numbers, arrays, or references that have become them."""
    return wrap(mix(key, [unwrap(each) for each in inputs]), size)


@cellray.remote
def combine_inside(key: int, size: int, box: dict[str, list[Any]]) -> Any:
    """Inputs are references inside a value: borrowed, and got here."""
    return wrap(mix(key, [unwrap(each) for each in cellray.get(box["refs"])]), size)


@cellray.remote
def combine_one_by_one(key: int, size: int, box: list[Any]) -> Any:
    """The same, with `wait`."""
    values: dict[Any, int] = {}
    left = list(dict.fromkeys(box))
    while left:
        ready, left = cellray.wait(left)
        values[ready[0]] = unwrap(cellray.get(ready[0]))
    return wrap(mix(key, [values[ref] for ref in box]), size)


@cellray.remote
def spawn(key: int, depth: int, width: int, size: int, box: list[Any]) -> Any:
    """Has children do it, and they theirs."""
    if not depth:
        return wrap(mix(key, [unwrap(each) for each in cellray.get(box)]), size)
    children = [spawn.remote(key + 1 + number, depth - 1, width, size, box) for number in range(width)]
    return wrap(mix(key, [unwrap(each) for each in cellray.get(children)]), size)


def spawned(key: int, depth: int, width: int, values: tuple[int, ...]) -> int:
    """What `spawn` returns."""
    if not depth:
        return mix(key, values)
    return mix(key, [spawned(key + 1 + number, depth - 1, width, values) for number in range(width)])


@cellray.remote
def give(key: int, width: int, size: int) -> list[Any]:
    """References to objects of its own, half of them put and half of them computed by children that it does not wait
    for."""
    refs = []
    for number in range(width):
        if number % 2:
            refs.append(cellray.put(wrap(mix(key + number, ()), size)))
        else:
            refs.append(combine.remote(key + number, size))
    return refs


@cellray.remote
def several(key: int, width: int, size: int, *inputs: Any) -> tuple[Any, ...]:
    """As many returns as `num_returns` says."""
    values = [unwrap(each) for each in inputs]
    return tuple(wrap(mix(key + number, values), size) for number in range(width))


@cellray.remote
def fail(key: int, *_inputs: Any) -> None:
    """Raises."""
    raise FailureError(key)


@cellray.remote
def stream(key: int, width: int, size: int, *inputs: Any) -> Iterator[Any]:
    """Yields one after another what `several` returns at once."""
    values = [unwrap(each) for each in inputs]
    for number in range(width):
        yield wrap(mix(key + number, values), size)


@cellray.remote
def stream_and_fail(key: int, width: int, size: int, *inputs: Any) -> Iterator[Any]:
    """The same, and raises at the end."""
    values = [unwrap(each) for each in inputs]
    for number in range(width):
        yield wrap(mix(key + number, values), size)
    raise FailureError(key)


@cellray.remote
def ask(actor: Any, key: int) -> int:
    """Calls an actor whose handle was passed."""
    answer: int = cellray.get(actor.echo.remote(key))
    return answer


@cellray.remote
class Account:
    """A state that every call shows."""

    def __init__(self, start: int, *inputs: Any) -> None:
        self._total = mix(start, [unwrap(each) for each in inputs])

    def add(self, amount: Any) -> int:
        """The new total."""
        self._total = mix(self._total, [unwrap(amount)])
        return self._total

    def echo(self, key: int) -> int:
        """No state involved."""
        return mix(key, ())


@cellray.remote
class ThreadCrew:
    """Several calls at a time, in threads."""

    def combine(self, key: int, size: int, *inputs: Any) -> Any:
        """As the task of this name."""
        return wrap(mix(key, [unwrap(each) for each in inputs]), size)

    def combine_inside(self, key: int, size: int, box: list[Any]) -> Any:
        """Gets what it was given references to."""
        return wrap(mix(key, [unwrap(each) for each in cellray.get(box)]), size)

    def relay(self, key: int, size: int, box: list[Any]) -> Any:
        """Has a task do it."""
        return cellray.get(combine.remote(key, size, *box))


@cellray.remote
class AsyncCrew:
    """Several calls at a time, on an event loop."""

    async def combine(self, key: int, size: int, *inputs: Any) -> Any:
        """As the task of this name."""
        await asyncio.sleep(0)
        return wrap(mix(key, [unwrap(each) for each in inputs]), size)

    async def combine_inside(self, key: int, size: int, box: list[Any]) -> Any:
        """Awaits what it was given references to."""
        return wrap(mix(key, [unwrap(each) for each in await asyncio.gather(*box)]), size)

    async def relay(self, key: int, size: int, box: list[Any]) -> Any:
        """Has a task do it."""
        return await combine.remote(key, size, *box)


@cellray.remote
class Board:
    """Where drivers leave references for each other, with what these must turn out to be."""

    def __init__(self) -> None:
        self._left: dict[int, Any] = {}

    def swap(self, place: int, item: Any) -> Any:
        """Leave something, take what was there."""
        taken, self._left[place] = self._left.get(place), item
        return taken
