"""Verbs on actors that run one call after another."""

from __future__ import annotations

from typing import Any

import cellray
from cellray.exceptions import ActorDiedError, TaskCancelledError

from tests.helpers.stress import remotes
from tests.helpers.stress.book import GET_S_MAX, Book, verb
from tests.helpers.stress.outcomes import Outcome, computed, mix

BORROWED_MAX = 10
PLACES = 4
ACTORS_MAX = 4


class Actor:
    """An actor of this driver: its possible states, and the outcomes of its calls."""

    def __init__(self, handle: Any, name: str, created: Outcome) -> None:
        self.handle = handle
        self.name = name
        self.states = created.values
        self.created = created
        self.calls: list[Outcome] = []


class ActorVerbs(Book):
    """Creating, calling, killing, and passing things on."""

    def __init__(self, seed: int, board: Any, *, with_faults: bool) -> None:
        super().__init__(seed, board, with_faults=with_faults)
        self.actors: list[Actor] = []

    @verb(2, alone=True)
    def create_actor(self) -> str | None:
        """With a name; its constructor has arguments that others compute."""
        inputs, key = self.inputs(2), self.key()
        if len(self.actors) >= ACTORS_MAX or not all(each.outcome.lock() for each in inputs):
            return None
        name = f"{self.name}-{key}"
        created = computed(key, [each.outcome for each in inputs])
        handle = remotes.Account.options(name=name).remote(key, *[each.ref for each in inputs])
        self.actors.append(Actor(handle, name, created))
        return name

    @verb(9, alone=True)
    def call(self) -> str | None:
        """Calls of one driver run in order, so that each one's result is known."""
        actor = self._actor()
        inputs = self.inputs(1)
        if actor is None or not all(each.outcome.lock() for each in inputs):
            return None
        key = self.key()
        amount, value = (inputs[0].ref, inputs[0].outcome) if inputs else (key, Outcome([key]))
        (added,) = value.values
        actor.states = frozenset(mix(state, [added]) for state in actor.states)
        outcome = self._called(actor, Outcome(actor.states, inputs=[value]))
        self.keep(actor.handle.add.remote(amount), outcome)
        return actor.name

    @verb(2, alone=True)
    def call_and_cancel(self) -> str | None:
        """Whether it still ran shows in all later calls."""
        actor = self._actor()
        if actor is None or len(actor.states) > 2:
            return None
        key = self.key()
        ref = actor.handle.add.remote(key)
        cellray.cancel(ref)
        after = frozenset(mix(state, [key]) for state in actor.states)
        outcome = self._called(actor, Outcome(after, [TaskCancelledError]))
        actor.states |= after
        self.keep(ref, outcome)
        return actor.name

    @verb(3, alone=True)
    def ask(self) -> str | None:
        """A task calls it, by a handle that it was given."""
        actor = self._actor()
        if actor is None:
            return None
        key = self.key()
        outcome = self._called(actor, computed(key, ()))
        self.keep(self.function(remotes.ask).remote(actor.handle, key), outcome, "task")
        return actor.name

    @verb(2, alone=True)
    def call_by_name(self) -> str | None:
        """As anybody could."""
        actor = self._actor()
        if actor is None:
            return None
        key = self.key()
        outcome = self._called(actor, computed(key, ()))
        self.keep(cellray.get_actor(actor.name).echo.remote(key), outcome)
        return actor.name

    @verb(1, alone=True)
    def kill(self) -> str | None:
        """Calls under way may end with it; later ones do."""
        actor = self._actor()
        if actor is None or not all(outcome.may_fail() for outcome in actor.calls):
            return None
        self.actors.remove(actor)
        for outcome in actor.calls:
            outcome.allow(ActorDiedError)
        cellray.kill(actor.handle)
        late = Outcome((), [ActorDiedError])
        self.keep(actor.handle.echo.remote(1), late)
        return actor.name

    @verb(1, alone=True)
    def drop_actor(self) -> str | None:
        """What it was asked before it still does."""
        actor = self._actor()
        if actor is None:
            return None
        self.actors.remove(actor)
        return actor.name

    @verb(3, alone=True)
    def swap(self) -> str | None:
        """Leave a reference for another driver, take one of another driver's."""
        inputs = self.inputs(1)
        if not inputs or not inputs[0].outcome.lock():
            return None
        (value,) = inputs[0].outcome.values
        place = self.random.randrange(PLACES)
        taken = cellray.get(self.board.swap.remote(place, ([inputs[0].ref], value)), timeout=GET_S_MAX)
        if taken is not None:
            (ref,), expected = taken
            self.borrowed.append((ref, expected))
            if len(self.borrowed) > BORROWED_MAX:
                self.check_borrowed(*self.borrowed.pop(0))
        return str(place)

    def _actor(self) -> Actor | None:
        return self.random.choice(self.actors) if self.actors else None

    def _called(self, actor: Actor, outcome: Outcome) -> Outcome:
        actor.calls.append(outcome)
        return outcome
