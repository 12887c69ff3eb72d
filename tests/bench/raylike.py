"""Contenders with Ray's API: Ray and Cellray do the very same. Standard library only."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from tests.bench.contender import WORKERS, Contender


class RayLike(Contender):
    """A library that is used as `ray` is. Who inherits says how it starts."""

    library = ""

    def load(self) -> None:
        """Import the library."""
        self._api: Any = importlib.import_module(self.library)
        self._remote: dict[Any, Any] = {}
        self._pool: Any = None

    def define(self) -> None:
        """Make remote what is used most, after the session has started."""
        self._small_value = self._api.remote(small_value)

    def leave(self) -> None:
        """The session goes on."""
        self._api.shutdown()

    def stop(self) -> None:
        """All processes end."""
        self._api.shutdown()

    # -- tasks

    def round_trip(self) -> None:
        """One task, waited for."""
        self._api.get(self._small_value.remote())

    def pipelined(self, count: int) -> None:
        """Many tasks, then one get."""
        function = self._small_value
        self._api.get([function.remote() for _ in range(count)])

    def submit(self, function: Callable[[Any], object], argument: Any) -> Any:
        """A reference."""
        remote = self._remote.get(function)
        if remote is None:
            remote = self._remote[function] = self._api.remote(function)
        return remote.remote(argument)

    def result(self, future: Any) -> Any:
        """Its value."""
        return self._api.get(future)

    def run_all(self, function: Callable[[Any], object], arguments: Sequence[Any]) -> None:
        """One get for all."""
        self._api.get([self.submit(function, argument) for argument in arguments])

    def nested(self, submitters: int, count: int) -> None:
        """Actors that submit; made once."""
        known = self._remote.get(submitters)
        if known is None:
            make = self._api.remote(num_cpus=0)(Submitter)
            known = self._remote[submitters] = [make.remote(self.library, []) for _ in range(submitters)]
        self._api.get([each.tasks.remote(count) for each in known])

    def wait_one_by_one(self, count: int) -> None:
        """Fetching is triggered by the first wait, as in ray_perf.py."""
        left = [self._small_value.remote() for _ in range(count)]
        for number in range(count):
            _, left = self._api.wait(left, fetch_local=number == 0)

    def pool_map(self, count: int) -> None:
        """`util.multiprocessing`."""
        if self._pool is None:
            self._pool = importlib.import_module(f"{self.library}.util.multiprocessing").Pool(WORKERS)
        self._pool.map(negate, range(count))

    # -- actors

    def actor(self, *, is_async: bool) -> Any:
        """Not one that holds a CPU."""
        actor = self._api.remote(num_cpus=0)(AsyncServer if is_async else Server).remote()
        self.call(actor)
        return actor

    def call(self, actor: Any) -> None:
        """One call, waited for."""
        self._api.get(actor.small_value.remote())

    def calls(self, actor: Any, count: int) -> None:
        """Many calls, then one get."""
        self._api.get([actor.small_value.remote() for _ in range(count)])

    def pairs(self, pairs: int) -> Callable[[int], None]:
        """Clients are actors too."""
        without_cpu = self._api.remote(num_cpus=0)
        servers = [without_cpu(Server).remote() for _ in range(pairs)]
        clients = [without_cpu(Submitter).remote(self.library, servers) for _ in range(pairs)]
        return lambda count: self._api.get([client.calls.remote(count) for client in clients])

    # -- objects

    def put(self, value: Any) -> Any:
        """Into the object store."""
        return self._api.put(value)

    def fetch(self, reference: Any) -> Any:
        """A read-only view of shared memory when large."""
        return self._api.get(reference)

    def many_references(self, count: int) -> Any:
        """As in ray_perf.py."""
        return self._api.remote(make_references).remote(self.library, count)


class Server:
    """What is called."""

    def small_value(self) -> bytes:
        """Nothing to do."""
        return b"ok"

    def small_value_arg(self, _argument: Any) -> bytes:
        """Nothing to do with the argument."""
        return b"ok"


class AsyncServer:
    """The same in an event loop."""

    async def small_value(self) -> bytes:
        """Nothing to wait for."""
        return b"ok"


class Submitter:
    """An actor that submits tasks, and calls `servers`."""

    def __init__(self, library: str, servers: list[Any]) -> None:
        self._api = importlib.import_module(library)
        self._servers = servers
        self._small_value = self._api.remote(small_value)

    def tasks(self, count: int) -> None:
        """`count` of them, then one get."""
        function = self._small_value
        self._api.get([function.remote() for _ in range(count)])

    def calls(self, count: int) -> None:
        """`count` calls of each server with a stored argument, then one get."""
        argument = self._api.put(0)
        results = []
        for server in self._servers:
            results += [server.small_value_arg.remote(argument) for _ in range(count)]
        self._api.get(results)


def small_value() -> bytes:
    """The empty task."""
    return b"ok"


def negate(number: int) -> int:
    """What is mapped."""
    return -number


def make_references(library: str, count: int) -> list[Any]:
    """An object full of references."""
    api = importlib.import_module(library)
    return [api.put(1) for _ in range(count)]
