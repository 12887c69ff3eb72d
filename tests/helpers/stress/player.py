"""One driver that does random verbs. What it does follows from its seed alone, never from what comes out."""

from __future__ import annotations

import gc
import itertools
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import cellray
from cellray.exceptions import ActorDiedError, GetTimeoutError, TaskCancelledError

from tests.helpers.stress import remotes
from tests.helpers.stress.outcomes import Outcome, computed, mix

HELD_MAX = 40
ACTORS_MAX = 4
BORROWED_MAX = 10
PLACES = 4
SIZES = (0, 0, 0, 0, 20_000, 20_000, 60_000)
"""Elements of 8 bytes; most values travel inline, some lie in the store."""
GET_S_MAX = 90.0


class Held(NamedTuple):
    """A reference and what it may turn out to be. `is_task`: it can be cancelled."""

    ref: Any
    outcome: Outcome
    is_task: bool = True


class Actor:
    """An actor of this driver: its possible states, and the outcomes of its calls."""

    def __init__(self, handle: Any, name: str, created: Outcome) -> None:
        self.handle = handle
        self.name = name
        self.states = created.values
        self.created = created
        self.calls: list[Outcome] = []


class Player:
    """Does verbs. `with_faults`: workers are killed meanwhile, so nothing is done whose outcome depends on that."""

    def __init__(self, seed: int, board: Any, *, with_faults: bool) -> None:
        self.random = random.Random(seed)
        self.story: list[str] = []
        self.checked = 0
        self._board = board
        self._name = f"stress-{seed}"
        self._keys = itertools.count(1)
        self._held: list[Held] = []
        self._borrowed: list[tuple[Any, int]] = []
        self._actors: list[Actor] = []
        self._retried = {"max_retries": -1} if with_faults else {}
        verbs: list[tuple[int, Callable[[], str | None]]] = [
            (12, self.submit),
            (4, self.submit_borrowing),
            (4, self.submit_waiting),
            (4, self.spawn),
            (3, self.several),
            (3, self.give),
            (2, self.fail),
            (5, self.put),
            (3, self.put_references),
            (10, self.get),
            (3, self.look),
            (5, self.wait),
            (8, self.drop),
            (1, self.collect),
        ]
        if not with_faults:
            verbs += [
                (5, self.cancel),
                (2, self.create_actor),
                (9, self.call),
                (2, self.call_and_cancel),
                (3, self.ask),
                (2, self.call_by_name),
                (1, self.kill),
                (1, self.drop_actor),
                (3, self.swap),
            ]
        self._weights = [weight for weight, _ in verbs]
        self._verbs = [verb for _, verb in verbs]

    def play(self, count: int) -> None:
        """So many verbs; then everything that is still held is looked at."""
        for number in range(count):
            (verb,) = self.random.choices(self._verbs, self._weights)
            told = verb()
            self.story.append(f"{number} {verb.__name__}: {told}" if told else f"{number} {verb.__name__}: -")
            del self.story[:-50]
            while len(self._held) > HELD_MAX:
                self._check(self._held.pop(0))
        self.story.append("at the end")
        for each in self._held:
            self._check(each)
        for ref, value in self._borrowed:
            self._check_borrowed(ref, value)

    def leave(self) -> None:
        """Drop everything."""
        self._held.clear()
        self._borrowed.clear()
        self._actors.clear()
        self._board = None
        gc.collect()

    # -- tasks

    def submit(self) -> str:
        """References as arguments."""
        inputs, key, size = self._inputs(3), self._key(), self._size()
        number = self.random.randrange(1000)
        outcome = computed(key, [*[each.outcome for each in inputs], Outcome([number])])
        options = {"num_cpus": self.random.choice((0, 0.5, 1)), **self._retried}
        ref = remotes.combine.options(**options).remote(key, size, *[each.ref for each in inputs], number)
        return self._keep(ref, outcome, f"{key} of {len(inputs)}")

    def submit_borrowing(self) -> str:
        """References inside an argument."""
        inputs, key, size = self._inputs(3), self._key(), self._size()
        ref = self._function(remotes.combine_inside).remote(key, size, {"refs": [each.ref for each in inputs]})
        return self._keep(ref, computed(key, [each.outcome for each in inputs]), f"{key} of {len(inputs)}")

    def submit_waiting(self) -> str:
        """The same, and the task waits for them one by one."""
        inputs, key, size = self._inputs(4), self._key(), self._size()
        ref = self._function(remotes.combine_one_by_one).remote(key, size, [each.ref for each in inputs])
        return self._keep(ref, computed(key, [each.outcome for each in inputs]), f"{key} of {len(inputs)}")

    def spawn(self) -> str:
        """A tree of tasks, whose leaves borrow."""
        inputs, key = self._inputs(2), self._key()
        depth, width, size = (*self.random.choice(((1, 3), (2, 2), (3, 1), (2, 1))), self._size())
        outcomes = [each.outcome for each in inputs]
        combinations = itertools.product(*[outcome.values for outcome in outcomes])
        outcome = Outcome({remotes.spawned(key, depth, width, each) for each in combinations}, inputs=outcomes)
        ref = self._function(remotes.spawn).remote(key, depth, width, size, [each.ref for each in inputs])
        return self._keep(ref, outcome, f"{key} depth {depth} width {width}")

    def several(self) -> str:
        """Several returns; cancelling one cancels all."""
        inputs, key, size, width = self._inputs(2), self._key(), self._size(), self.random.randint(2, 3)
        refs = self._function(remotes.several, num_returns=width).remote(
            key, width, size, *[each.ref for each in inputs]
        )
        for number, ref in enumerate(refs):
            outcomes = [each.outcome for each in inputs]
            self._held.append(Held(ref, computed(key + number, outcomes), is_task=False))
        return f"{key} width {width}"

    def give(self) -> str:
        """References made by a task, taken over here."""
        key, size, width = self._key(), self._size(), self.random.randint(1, 4)
        ref = self._function(remotes.give).remote(key, width, size)
        refs = cellray.get(ref, timeout=GET_S_MAX)
        for number, each in enumerate(refs):
            self._held.append(Held(each, computed(key + number, ()), is_task=False))
        return f"{key} width {width}"

    def fail(self) -> str:
        """A task that raises."""
        inputs, key = self._inputs(2), self._key()
        outcome = Outcome((), [remotes.FailureError], [each.outcome for each in inputs])
        ref = self._function(remotes.fail).remote(key, *[each.ref for each in inputs])
        return self._keep(ref, outcome, str(key))

    def cancel(self) -> str | None:
        """One that may have begun, or ended, or neither."""
        able = [each for each in self._held if each.is_task and each.outcome.may_fail()]
        if not able:
            return None
        held = self.random.choice(able)
        force, recursive = self.random.random() < 0.2, self.random.random() < 0.7
        held.outcome.allow(TaskCancelledError)
        cellray.cancel(held.ref, force=force, recursive=recursive)
        return f"{held.outcome} force={force} recursive={recursive}"

    # -- objects

    def put(self) -> str:
        """A value."""
        key, size = self._key(), self._size()
        self._held.append(Held(cellray.put(remotes.wrap(mix(key, ()), size)), computed(key, ()), is_task=False))
        return str(key)

    def put_references(self) -> str:
        """An object that holds references, which are dropped here, and got through it by a task."""
        inputs, key = self._inputs(3), self._key()
        box = cellray.put({"refs": [each.ref for each in inputs]})
        ref = self._function(remotes.combine_inside).remote(key, 0, box)
        return self._keep(ref, computed(key, [each.outcome for each in inputs]), f"{key} of {len(inputs)}")

    def get(self) -> str | None:
        """Some of those that are held."""
        if not self._held:
            return None
        for each in self.random.sample(self._held, min(len(self._held), self.random.randint(1, 3))):
            self._check(each)
        return "some"

    def look(self) -> str | None:
        """Get without waiting: there or not."""
        if not self._held:
            return None
        held = self.random.choice(self._held)
        try:
            value = remotes.unwrap(cellray.get(held.ref, timeout=0))
        except GetTimeoutError:
            return "not yet"
        except Exception as error:
            self._check_error(held.outcome, error)
            return "an error"
        self._check_value(held.outcome, value)
        return "there"

    def wait(self) -> str | None:
        """What it gives as ready is ready, the two lists are what was given, in order."""
        if not self._held:
            return None
        some = self.random.sample(self._held, self.random.randint(1, len(self._held)))
        refs = list(dict.fromkeys(each.ref for each in some))
        count = self.random.randint(1, len(refs))
        timeout = self.random.choice((0, 0.001, 0.01, GET_S_MAX))
        ready, rest = cellray.wait(refs, num_returns=count, timeout=timeout)
        assert len(ready) == count or (len(ready) < count and timeout < GET_S_MAX), "wait came back early"
        assert [ref for ref in refs if ref in set(ready)] == ready, "wait has changed the order of those that are ready"
        assert [ref for ref in refs if ref not in set(ready)] == rest, "wait has lost some"
        for each in some:
            if each.ref in set(ready[:2]):
                self._check(each, timeout=5)
        return f"{count} of {len(refs)}"

    def drop(self) -> str | None:
        """References go, whether the task has ended or not."""
        for _ in range(min(len(self._held), self.random.randint(1, 4))):
            self._held.pop(self.random.randrange(len(self._held)))
        return "some"

    def collect(self) -> str:
        """Circles go."""
        circle: list[Any] = [each.ref for each in self._held[:3]]
        circle.append(circle)
        del circle
        gc.collect()
        return "all"

    # -- actors

    def create_actor(self) -> str | None:
        """With a name; its constructor has arguments that others compute."""
        inputs, key = self._inputs(2), self._key()
        if len(self._actors) >= ACTORS_MAX or not all(each.outcome.lock() for each in inputs):
            return None
        name = f"{self._name}-{key}"
        created = computed(key, [each.outcome for each in inputs])
        handle = remotes.Account.options(name=name).remote(key, *[each.ref for each in inputs])
        self._actors.append(Actor(handle, name, created))
        return name

    def call(self) -> str | None:
        """Calls of one driver run in order, so that each one's result is known."""
        actor = self._actor()
        inputs = self._inputs(1)
        if actor is None or not all(each.outcome.lock() for each in inputs):
            return None
        key = self._key()
        amount, value = (inputs[0].ref, inputs[0].outcome) if inputs else (key, Outcome([key]))
        (added,) = value.values
        actor.states = frozenset(mix(state, [added]) for state in actor.states)
        outcome = self._called(actor, Outcome(actor.states, inputs=[value]))
        return self._keep(actor.handle.add.remote(amount), outcome, actor.name, is_task=False)

    def call_and_cancel(self) -> str | None:
        """Whether it still ran shows in all later calls."""
        actor = self._actor()
        if actor is None or len(actor.states) > 2:
            return None
        key = self._key()
        ref = actor.handle.add.remote(key)
        cellray.cancel(ref)
        after = frozenset(mix(state, [key]) for state in actor.states)
        outcome = self._called(actor, Outcome(after, [TaskCancelledError]))
        actor.states |= after
        return self._keep(ref, outcome, actor.name, is_task=False)

    def ask(self) -> str | None:
        """A task calls it, by a handle that it was given."""
        actor = self._actor()
        if actor is None:
            return None
        key = self._key()
        outcome = self._called(actor, computed(key, ()))
        return self._keep(self._function(remotes.ask).remote(actor.handle, key), outcome, actor.name)

    def call_by_name(self) -> str | None:
        """As anybody could."""
        actor = self._actor()
        if actor is None:
            return None
        key = self._key()
        outcome = self._called(actor, computed(key, ()))
        return self._keep(cellray.get_actor(actor.name).echo.remote(key), outcome, actor.name, is_task=False)

    def kill(self) -> str | None:
        """Calls under way may end with it; later ones do."""
        actor = self._actor()
        if actor is None or not all(outcome.may_fail() for outcome in actor.calls):
            return None
        self._actors.remove(actor)
        for outcome in actor.calls:
            outcome.allow(ActorDiedError)
        cellray.kill(actor.handle)
        late = Outcome((), [ActorDiedError])
        return self._keep(actor.handle.echo.remote(1), late, actor.name, is_task=False)

    def drop_actor(self) -> str | None:
        """What it was asked before it still does."""
        actor = self._actor()
        if actor is None:
            return None
        self._actors.remove(actor)
        return actor.name

    def swap(self) -> str | None:
        """Leave a reference for another driver, take one of another driver's."""
        inputs = self._inputs(1)
        if not inputs or not inputs[0].outcome.lock():
            return None
        (value,) = inputs[0].outcome.values
        place = self.random.randrange(PLACES)
        taken = cellray.get(self._board.swap.remote(place, ([inputs[0].ref], value)), timeout=GET_S_MAX)
        if taken is not None:
            (ref,), expected = taken
            self._borrowed.append((ref, expected))
            if len(self._borrowed) > BORROWED_MAX:
                self._check_borrowed(*self._borrowed.pop(0))
        return str(place)

    # -- the model

    def _key(self) -> int:
        return next(self._keys) * 1000

    def _size(self) -> int:
        return self.random.choice(SIZES)

    def _function(self, function: Any, **options: Any) -> Any:
        merged = {**options, **self._retried}
        return function.options(**merged) if merged else function

    def _inputs(self, most: int) -> list[Held]:
        able = [each for each in self._held if each.outcome.is_open]
        picked = self.random.sample(able, min(len(able), self.random.randint(0, most)))
        return picked if len(picked) < 2 or self.random.random() < 0.9 else [*picked, picked[0]]

    def _actor(self) -> Actor | None:
        return self.random.choice(self._actors) if self._actors else None

    def _called(self, actor: Actor, outcome: Outcome) -> Outcome:
        actor.calls.append(outcome)
        return outcome

    def _keep(self, ref: Any, outcome: Outcome, told: str, *, is_task: bool = True) -> str:
        self._held.append(Held(ref, outcome, is_task))
        return told

    def _check(self, held: Held, timeout: float = GET_S_MAX) -> None:
        try:
            value = remotes.unwrap(cellray.get(held.ref, timeout=timeout))
        except Exception as error:
            self._check_error(held.outcome, error)
        else:
            self._check_value(held.outcome, value)

    def _check_value(self, outcome: Outcome, value: int) -> None:
        assert outcome.accepts(value), f"got {value}, expected {outcome}"
        self.checked += 1

    def _check_error(self, outcome: Outcome, error: BaseException) -> None:
        if not outcome.accepts_error(error):
            raise AssertionError(f"got {type(error).__name__}, expected {outcome}") from error
        self.checked += 1

    def _check_borrowed(self, ref: Any, value: int) -> None:
        got = remotes.unwrap(cellray.get(ref, timeout=GET_S_MAX))
        assert got == value, f"a borrowed reference is {got}, not {value}"
        self.checked += 1
