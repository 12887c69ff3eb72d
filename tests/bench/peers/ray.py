"""Ray, the system that the paper describes as it is today."""

from __future__ import annotations

import os
import time
from typing import Any

from tests.bench.contender import WORKERS, Contender, main


class Ray(Contender):
    """Ray core on one host, without its dashboard."""

    def load(self) -> None:
        """Import the library."""
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        self._ray: Any = ray

    def start(self) -> None:
        """As a script does it."""
        self._ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="error")
        self._empty = self._ray.remote(_empty)
        self._sleep = self._ray.remote(_sleep)

    def round_trip(self) -> None:
        """One task, waited for."""
        self._ray.get(self._empty.remote())

    def pipelined(self, count: int) -> None:
        """Many tasks, then one get."""
        empty = self._empty
        self._ray.get([empty.remote() for _ in range(count)])

    def warm_up(self, seconds: float) -> None:
        """Both workers."""
        self._ray.get([self._sleep.remote(seconds) for _ in range(WORKERS)])

    def put(self, value: Any) -> Any:
        """Into the object store."""
        return self._ray.put(value)

    def fetch(self, reference: Any) -> Any:
        """A read-only view of shared memory when large."""
        return self._ray.get(reference)

    def stop(self) -> None:
        """All processes end."""
        self._ray.shutdown()


def _empty() -> None:
    pass


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


if __name__ == "__main__":
    main(Ray())
