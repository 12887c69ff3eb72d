"""Verbs on tasks."""

from __future__ import annotations

import itertools

import cellray
from cellray.exceptions import TaskCancelledError

from tests.helpers.stress import remotes
from tests.helpers.stress.book import GET_S_MAX, Book, verb
from tests.helpers.stress.outcomes import Outcome, computed


class TaskVerbs(Book):
    """Submitting, failing, cancelling."""

    @verb(12)
    def submit(self) -> str:
        """References as arguments."""
        inputs, key, size = self.inputs(3), self.key(), self.size()
        number = self.random.randrange(1000)
        outcome = computed(key, [*[each.outcome for each in inputs], Outcome([number])])
        options = {"num_cpus": self.random.choice((0, 0.5, 1)), **self._retried}
        ref = remotes.combine.options(**options).remote(key, size, *[each.ref for each in inputs], number)
        self.keep(ref, outcome, "task")
        return f"{key} of {len(inputs)}"

    @verb(4)
    def submit_borrowing(self) -> str:
        """References inside an argument."""
        inputs, key, size = self.inputs(3), self.key(), self.size()
        ref = self.function(remotes.combine_inside).remote(key, size, {"refs": [each.ref for each in inputs]})
        self.keep(ref, computed(key, [each.outcome for each in inputs]), "task")
        return f"{key} of {len(inputs)}"

    @verb(4)
    def submit_waiting(self) -> str:
        """The same, and the task waits for them one by one."""
        inputs, key, size = self.inputs(4), self.key(), self.size()
        ref = self.function(remotes.combine_one_by_one).remote(key, size, [each.ref for each in inputs])
        self.keep(ref, computed(key, [each.outcome for each in inputs]), "task")
        return f"{key} of {len(inputs)}"

    @verb(4)
    def spawn(self) -> str:
        """A tree of tasks, whose leaves borrow."""
        inputs, key = self.inputs(2), self.key()
        depth, width, size = (*self.random.choice(((1, 3), (2, 2), (3, 1), (2, 1))), self.size())
        outcomes = [each.outcome for each in inputs]
        combinations = itertools.product(*[outcome.values for outcome in outcomes])
        outcome = Outcome({remotes.spawned(key, depth, width, each) for each in combinations}, inputs=outcomes)
        ref = self.function(remotes.spawn).remote(key, depth, width, size, [each.ref for each in inputs])
        self.keep(ref, outcome, "task")
        return f"{key} depth {depth} width {width}"

    @verb(3)
    def several(self) -> str:
        """Several returns of one task."""
        inputs, key, size, width = self.inputs(2), self.key(), self.size(), self.random.randint(2, 3)
        refs = self.function(remotes.several, num_returns=width).remote(
            key, width, size, *[each.ref for each in inputs]
        )
        for number, ref in enumerate(refs):
            outcomes = [each.outcome for each in inputs]
            self.keep(ref, computed(key + number, outcomes))
        return f"{key} width {width}"

    @verb(3)
    def give(self) -> str:
        """References made by a task, taken over here."""
        key, size, width = self.key(), self.size(), self.random.randint(1, 4)
        ref = self.function(remotes.give).remote(key, width, size)
        refs = cellray.get(ref, timeout=GET_S_MAX)
        for number, each in enumerate(refs):
            self.keep(each, computed(key + number, ()))
        return f"{key} width {width}"

    @verb(2)
    def fail(self) -> str:
        """A task that raises."""
        inputs, key = self.inputs(2), self.key()
        outcome = Outcome((), [remotes.FailureError], [each.outcome for each in inputs])
        ref = self.function(remotes.fail).remote(key, *[each.ref for each in inputs])
        self.keep(ref, outcome, "task")
        return str(key)

    @verb(5, alone=True)
    def cancel(self) -> str | None:
        """One that may have begun, or ended, or neither."""
        able = [each for each in self.held if each.kind and each.outcome.may_fail()]
        if not able:
            return None
        held = self.random.choice(able)
        force, recursive = held.kind == "task" and self.random.random() < 0.2, self.random.random() < 0.7
        held.outcome.allow(TaskCancelledError)
        cellray.cancel(held.ref, force=force, recursive=recursive)
        return f"{held.outcome} force={force} recursive={recursive}"
