"""Verbs on objects and references."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import cellray
from cellray.exceptions import GetTimeoutError

from tests.helpers.stress import remotes
from tests.helpers.stress.book import GET_S_MAX, Book, verb
from tests.helpers.stress.outcomes import computed, mix


class ObjectVerbs(Book):
    """Putting, getting, waiting, dropping."""

    @verb(5)
    def put(self) -> str:
        """A value."""
        key, size = self.key(), self.size()
        self.keep(cellray.put(remotes.wrap(mix(key, ()), size)), computed(key, ()))
        return str(key)

    @verb(3)
    def put_references(self) -> str:
        """An object that holds references, which are dropped here, and got through it by a task."""
        inputs, key = self.inputs(3), self.key()
        box = cellray.put({"refs": [each.ref for each in inputs]})
        ref = self.function(remotes.combine_inside).remote(key, 0, box)
        self.keep(ref, computed(key, [each.outcome for each in inputs]), "task")
        return f"{key} of {len(inputs)}"

    @verb(10)
    def get(self) -> str | None:
        """Some of those that are held."""
        if not self.held:
            return None
        for each in self.random.sample(self.held, min(len(self.held), self.random.randint(1, 3))):
            self.check(each)
        return "some"

    @verb(3)
    def look(self) -> str | None:
        """Get without waiting: there or not."""
        if not self.held:
            return None
        held = self.random.choice(self.held)
        try:
            value = remotes.unwrap(cellray.get(held.ref, timeout=0))
        except GetTimeoutError:
            return "not yet"
        except Exception as error:
            self.check_error(held.outcome, error)
            return "an error"
        self.check_value(held.outcome, value)
        return "there"

    @verb(2)
    def resolve(self) -> str | None:
        """As a future of the standard library, and on an event loop."""
        if not self.held:
            return None
        held = self.random.choice(self.held)
        is_awaited = self.random.random() < 0.5
        try:
            value = asyncio.run(_awaited(held.ref)) if is_awaited else held.ref.future().result(GET_S_MAX)
        except Exception as error:
            self.check_error(held.outcome, error)
        else:
            self.check_value(held.outcome, remotes.unwrap(value))
        return "awaited" if is_awaited else "as a future"

    @verb(5)
    def wait(self) -> str | None:
        """What it gives as ready is ready, the two lists are what was given, in order."""
        if not self.held:
            return None
        some = self.random.sample(self.held, self.random.randint(1, len(self.held)))
        refs = list(dict.fromkeys(each.ref for each in some))
        count = self.random.randint(1, len(refs))
        timeout = self.random.choice((0, 0.001, 0.01, GET_S_MAX))
        ready, rest = cellray.wait(refs, num_returns=count, timeout=timeout)
        assert len(ready) == count or (len(ready) < count and timeout < GET_S_MAX), "wait came back early"
        assert [ref for ref in refs if ref in set(ready)] == ready, "wait has changed the order of those that are ready"
        assert [ref for ref in refs if ref not in set(ready)] == rest, "wait has lost some"
        for each in some:
            if each.ref in set(ready[:2]):
                self.check(each, timeout=5)
        return f"{count} of {len(refs)}"

    @verb(8)
    def drop(self) -> str | None:
        """References go, whether the task has ended or not."""
        for _ in range(min(len(self.held), self.random.randint(1, 4))):
            self.held.pop(self.random.randrange(len(self.held)))
        return "some"

    @verb(1)
    def collect(self) -> str:
        """Circles go."""
        circle: list[Any] = [each.ref for each in self.held[:3]]
        circle.append(circle)
        del circle
        gc.collect()
        return "all"


async def _awaited(ref: Any) -> Any:
    return await asyncio.wait_for(ref, GET_S_MAX)
