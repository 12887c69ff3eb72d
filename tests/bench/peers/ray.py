"""Ray, the system that the paper describes as it is today."""

from __future__ import annotations

import os
from typing import Any

from tests.bench.contender import STORE_BYTES, WORKERS, main
from tests.bench.raylike import RayLike

QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}


class Ray(RayLike):
    """Ray core on one host, without its dashboard."""

    library = "ray"

    def load(self) -> None:
        """Import the library."""
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        super().load()

    def start(self) -> None:
        """As a script does it."""
        self._api.init(num_cpus=WORKERS, object_store_memory=STORE_BYTES, include_dashboard=False, **QUIET)
        self.define()

    @property
    def address(self) -> str:
        """Host and port of its GCS."""
        address: str = self._api.get_runtime_context().gcs_address
        return address

    def join(self, address: str) -> None:
        """One more driver."""
        self._api.init(address=address, **QUIET)
        self.define()


if __name__ == "__main__":
    main(Ray())
