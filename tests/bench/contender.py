"""What a contender can be asked to do, and the one process in which it does that. Standard library and NumPy only: the
peers' interpreter runs it as well.

    python -m tests.bench.peers.ray '{"only": ["start", "tasks"], "seconds": 1.0, ...}'

prints one line of JSON: figures by the names that `measures.py` explains, and what failed, by group.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

WORKERS = 2
STORE_BYTES = 2_000_000_000
Plan = dict[str, Any]
Part = Callable[["Contender", Plan], dict[str, float]]


class Outcome(TypedDict):
    """`failed` says in one line, by group, why figures are missing; what a contender has no notion of is no failure."""

    figures: dict[str, float]
    failed: dict[str, str]


class Contender:
    """One system with two worker processes. What it has no notion of stays NotImplementedError and is left out."""

    # -- session

    def load(self) -> None:
        """Import the library."""
        raise NotImplementedError

    def start(self) -> None:
        """Start a session; what starts in the background may still be under way."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the session."""
        raise NotImplementedError

    @property
    def address(self) -> str:
        """What another driver gives to `join`."""
        raise NotImplementedError

    def join(self, address: str) -> None:
        """Instead of `start`: be one more driver of a session that runs."""
        raise NotImplementedError

    def leave(self) -> None:
        """Instead of `stop`, for who has joined."""
        raise NotImplementedError

    # -- tasks

    def round_trip(self) -> None:
        """Run one empty task and wait for its result."""
        raise NotImplementedError

    def pipelined(self, count: int) -> None:
        """Submit `count` empty tasks, then wait for all results."""
        raise NotImplementedError

    def submit(self, function: Callable[[Any], object], argument: Any) -> Any:
        """Submit one task; what `result` takes."""
        raise NotImplementedError

    def result(self, future: Any) -> Any:
        """Wait for it."""
        raise NotImplementedError

    def run_all(self, function: Callable[[Any], object], arguments: Sequence[Any]) -> None:
        """A task for each argument, and wait for all."""
        for future in [self.submit(function, argument) for argument in arguments]:
            self.result(future)

    def nested(self, submitters: int, count: int) -> None:
        """`submitters` workers submit `count` empty tasks each, all at once, and wait for them."""
        raise NotImplementedError

    def wait_one_by_one(self, count: int) -> None:
        """Submit `count` empty tasks and wait for any one of those that are left until none is."""
        raise NotImplementedError

    def pool_map(self, count: int) -> None:
        """Map a tiny function over `count` numbers with the system's `multiprocessing.Pool`, which is kept open."""
        raise NotImplementedError

    # -- actors

    def actor(self, *, is_async: bool) -> Any:
        """An actor whose method returns at once."""
        raise NotImplementedError

    def call(self, actor: Any) -> None:
        """Call it and wait for the result."""
        raise NotImplementedError

    def calls(self, actor: Any, count: int) -> None:
        """Call it `count` times, then wait for all results."""
        raise NotImplementedError

    def pairs(self, pairs: int) -> Callable[[int], None]:
        """As many clients as actors: a function that has every client call every actor `count` times with a stored
        argument, and waits for all."""
        raise NotImplementedError

    # -- objects

    def put(self, value: Any) -> Any:
        """Store a value; a reference."""
        raise NotImplementedError

    def fetch(self, reference: Any) -> Any:
        """The value behind a reference."""
        raise NotImplementedError

    def many_references(self, count: int) -> Any:
        """A reference to an object, made by a task, that holds `count` references."""
        raise NotImplementedError


def main(contender: Contender) -> None:
    """Do what the plan in `sys.argv` asks for and print what came of it."""
    plan = json.loads(sys.argv[1])
    if "join" in plan:
        from tests.bench.loads.fairness import drive

        drive(contender, plan)
    else:
        print(json.dumps(measure(contender, plan)), flush=True)


def measure(contender: Contender, plan: Plan) -> Outcome:
    """A session from its start to its end. Memory comes before anything that makes heaps grow."""
    from tests.bench.loads import PARTS
    from tests.bench.loads.mixed import sleep
    from tests.bench.loads.rates import seconds_of

    figures = {"import_s": seconds_of(contender.load)}
    figures["start_s"] = seconds_of(lambda: (contender.start(), contender.round_trip()))
    failed: dict[str, str] = {}
    try:
        contender.run_all(sleep, [0.2] * WORKERS)  # so that all workers have started
        for group, part in PARTS:
            if group in plan["only"]:
                try:
                    figures |= part(contender, plan)
                except NotImplementedError:
                    continue
                except Exception as error:
                    failed[group] = f"{type(error).__name__}: {error}".split("\n", 1)[0][:200]
    finally:
        contender.stop()
    return {"figures": figures, "failed": failed}
