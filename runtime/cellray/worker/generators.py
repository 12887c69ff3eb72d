"""Generators in a worker: what they yield becomes objects one by one, while they run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from cellray.ids import ObjectId, TaskId, item_object_id
from cellray.model.object import ObjectValue
from cellray.model.task import TaskTemplate


class Items(Protocol):
    """Where items go."""

    def begin(self, task_id: TaskId) -> None:
        """A generator begins."""

    def add(self, task_id: TaskId, index: int, value: ObjectValue) -> None:
        """The next item of a generator."""

    def wait_for_reader(self, task_id: TaskId, count: int, unread_max: int) -> bool:
        """Until fewer than `unread_max` of `count` items are unread; False when nobody reads on."""

    def end(self, task_id: TaskId) -> None:
        """The generator has come to its end."""


ALL_SENT = object()
"""What comes of an asynchronous generator whose items are on their way."""
Seal = Callable[[ObjectId, Any, str], ObjectValue]


def send_items(items: Items, seal: Seal, task_id: TaskId, template: TaskTemplate, yielded: Any) -> None:
    """Run a generator to its end, or until nobody reads on: then it is closed, as Python closes one that is dropped.

    Raises what it raises; TypeError when it is no generator.
    """
    if yielded is ALL_SENT:
        return
    if not inspect.isgenerator(yielded):
        raise TypeError(f"{template.name} has num_returns='streaming' and returned no generator, but {yielded!r:.80}")
    assert template.stream is not None, "a generator's template says so"
    unread_max = template.stream.unread_max
    items.begin(task_id)
    try:
        for index, value in enumerate(yielded):
            sealed = seal(item_object_id(task_id, index), value, f"item {index} of {template.name}")
            items.add(task_id, index, sealed)
            if unread_max > 0 and not items.wait_for_reader(task_id, index + 1, unread_max):
                yielded.close()
                return
    finally:
        items.end(task_id)


async def send_items_async(items: Items, seal: Seal, task_id: TaskId, template: TaskTemplate, yielded: Any) -> object:
    """As `send_items`, for an asynchronous generator, on the event loop of its actor; what `send_items` passes over."""
    if template.stream is None:
        raise TypeError(f"{template.name} is an asynchronous generator; leave out num_returns={template.num_returns}")
    if template.stream.unread_max > 0:
        raise ValueError(
            f"{template.name}: _generator_backpressure_num_objects is not supported for async actors, whose event loop "
            "it would hold up. Count with an asyncio.Semaphore of your own instead."
        )
    index = 0
    async for value in yielded:
        sealed = seal(item_object_id(task_id, index), value, f"item {index} of {template.name}")
        items.add(task_id, index, sealed)
        index += 1
    return ALL_SENT


class PartlyReturnedError(Exception):
    """A function with several returns made only `values` of them, because of `cause`."""

    def __init__(self, values: tuple[ObjectValue, ...], cause: BaseException) -> None:
        super().__init__(values, cause)
        self.values = values
        self.cause = cause


def seal_some(
    results: Iterator[Any], seal: Callable[[int, Any], ObjectValue], count: int, name: str
) -> list[ObjectValue]:
    """The first `count` items of a generator, each a return of its own, as Ray has it: more are not asked for.

    Raises PartlyReturnedError when it raises, or ends before.
    """
    values: list[ObjectValue] = []
    try:
        for value in results:
            values.append(seal(len(values), value))
            if len(values) == count:
                return values
        raise ValueError(f"{name} has num_returns={count} but yielded {len(values)} values")
    except Exception as error:
        raise PartlyReturnedError(tuple(values), error) from error
