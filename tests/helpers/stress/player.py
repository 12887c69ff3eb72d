"""One driver that does random verbs, one after another."""

from __future__ import annotations

import gc
import inspect
from typing import Any

from tests.helpers.stress.actors import ActorVerbs
from tests.helpers.stress.book import ALONE, WEIGHT
from tests.helpers.stress.crews import CrewVerbs
from tests.helpers.stress.generators import GeneratorVerbs
from tests.helpers.stress.objects import ObjectVerbs
from tests.helpers.stress.tasks import TaskVerbs

HELD_MAX = 40
TOLD_MAX = 50


class Player(TaskVerbs, ObjectVerbs, ActorVerbs, CrewVerbs, GeneratorVerbs):
    """All verbs. `with_faults`: workers are killed meanwhile, so nothing is done whose outcome depends on that."""

    def __init__(self, seed: int, board: Any, *, with_faults: bool) -> None:
        super().__init__(seed, board, with_faults=with_faults)
        self.story: list[str] = []
        marked = [(name, each) for name, each in inspect.getmembers(self, inspect.ismethod) if hasattr(each, WEIGHT)]
        self._verbs = [(name, each) for name, each in marked if not (with_faults and getattr(each, ALONE))]
        self._weights = [getattr(each, WEIGHT) for _, each in self._verbs]

    def play(self, count: int) -> None:
        """So many verbs; then everything that is still held is looked at."""
        for number in range(count):
            ((name, verb),) = self.random.choices(self._verbs, self._weights)
            self.story.append(f"{number} {name}: begun")
            self.story[-1] = f"{number} {name}: {verb() or 'nothing'}"
            del self.story[:-TOLD_MAX]
            while len(self.held) > HELD_MAX:
                self.check(self.held.pop(0))
        self.story.append("at the end")
        for each in self.held:
            self.check(each)
        for ref, value in self.borrowed:
            self.check_borrowed(ref, value)

    def leave(self) -> None:
        """Drop everything."""
        self.held.clear()
        self.borrowed.clear()
        self.actors.clear()
        self.crews.clear()
        self.board = None
        gc.collect()
