"""Verbs on actors that have several calls under way, in threads or on an event loop."""

from __future__ import annotations

from typing import Any

import cellray
from cellray.exceptions import ActorDiedError

from tests.helpers.stress import remotes
from tests.helpers.stress.book import Book, verb
from tests.helpers.stress.outcomes import Outcome, computed

CREWS_MAX = 2
CONCURRENCY = 3


class CrewVerbs(Book):
    """Their calls run in any order: none changes a state."""

    def __init__(self, seed: int, board: Any, *, with_faults: bool) -> None:
        super().__init__(seed, board, with_faults=with_faults)
        self.crews: list[tuple[Any, list[Outcome]]] = []

    @verb(1, alone=True)
    def create_crew(self) -> str | None:
        """Threads or coroutines."""
        if len(self.crews) >= CREWS_MAX:
            return None
        made = self.random.choice((remotes.AsyncCrew, remotes.ThreadCrew))
        self.crews.append((made.options(max_concurrency=CONCURRENCY).remote(), []))
        return str(made)

    @verb(8, alone=True)
    def call_crew(self) -> str | None:
        """References as arguments, inside arguments, and handed on to tasks."""
        if not self.crews:
            return None
        crew, calls = self.random.choice(self.crews)
        inputs, key, size = self.inputs(2), self.key(), self.size()
        refs = [each.ref for each in inputs]
        how = self.random.choice(("combine", "combine_inside", "relay"))
        outcome = computed(key, [each.outcome for each in inputs])
        calls.append(outcome)
        ref = getattr(crew, how).remote(key, size, *(refs if how == "combine" else [refs]))
        self.keep(ref, outcome, "call")
        return f"{key} {how} of {len(inputs)}"

    @verb(1, alone=True)
    def drop_crew(self) -> str | None:
        """By its last handle, or with what it has under way."""
        if not self.crews:
            return None
        crew, calls = self.crews[0]
        if self.random.random() < 0.5 or not all(outcome.may_fail() for outcome in calls):
            del self.crews[0]
            return "dropped"
        for outcome in calls:
            outcome.allow(ActorDiedError)
        cellray.kill(crew)
        del self.crews[0]
        return "killed"
