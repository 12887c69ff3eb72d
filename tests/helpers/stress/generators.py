"""Verbs on generators. What they yield is certain, so that how long one is read does not depend on what comes out."""

from __future__ import annotations

import itertools
from typing import Any

import cellray
from cellray.exceptions import TaskCancelledError

from tests.helpers.stress import remotes
from tests.helpers.stress.book import GET_S_MAX, Book, verb
from tests.helpers.stress.outcomes import Outcome, computed

WIDTH_MAX = 6
AHEAD = (None, None, 1, 2)
"""How many items may wait to be taken."""


class GeneratorVerbs(Book):
    """Reading them to the end or not, dropping, failing, cancelling."""

    @verb(4)
    def stream(self) -> str | None:
        """Take some of the items, or all and the end."""
        made = self._made(remotes.stream)
        if made is None:
            return None
        generator, outcomes = made
        count = self.random.randint(0, len(outcomes))
        for outcome in outcomes[:count]:
            self.keep(next(generator), outcome)
        if count == len(outcomes):
            assert next(generator, None) is None, "a generator went on after its end"
            assert cellray.get(generator.completed(), timeout=GET_S_MAX) is None
        return f"{count} of {len(outcomes)}"

    @verb(1)
    def stream_that_fails(self) -> str | None:
        """The error comes as the last reference."""
        made = self._made(remotes.stream_and_fail)
        if made is None:
            return None
        generator, outcomes = made
        refs = list(itertools.islice(generator, len(outcomes) + 2))
        assert len(refs) == len(outcomes) + 1, f"{len(refs)} references for {len(outcomes)} items and an error"
        for ref, outcome in zip(refs, [*outcomes, Outcome((), [remotes.FailureError])], strict=True):
            self.keep(ref, outcome)
        return f"after {len(outcomes)}"

    @verb(2, alone=True)
    def cancel_stream(self) -> str | None:
        """What was yielded before is what it is; then the end, or the error."""
        made = self._made(remotes.stream)
        if made is None:
            return None
        generator, outcomes = made
        before = self.random.randint(0, 2)
        refs = list(itertools.islice(generator, before))
        cellray.cancel(generator, force=self.random.random() < 0.2)
        refs += list(generator)
        for number, ref in enumerate(refs):
            try:
                value = remotes.unwrap(cellray.get(ref, timeout=GET_S_MAX))
            except Exception as error:
                self.check_error(Outcome((), [TaskCancelledError]), error)
                assert number == len(refs) - 1, "something came after the error"
            else:
                self.check_value(outcomes[number], value)
        return f"after {before}"

    def _made(self, function: Any) -> tuple[Any, list[Outcome]] | None:
        inputs, key, size, width = self.inputs(2), self.key(), self.size(), self.random.randint(1, WIDTH_MAX)
        ahead = self.random.choice(AHEAD)
        if not all(each.outcome.lock() for each in inputs):
            return None
        remote = self.function(function, _generator_backpressure_num_objects=ahead)
        generator = remote.remote(key, width, size, *[each.ref for each in inputs])
        return generator, [computed(key + number, [each.outcome for each in inputs]) for number in range(width)]
