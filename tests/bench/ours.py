"""Cellray, measured like its peers."""

from __future__ import annotations

import os

from tests.bench.contender import STORE_BYTES, WORKERS, main
from tests.bench.raylike import RayLike


class Cellray(RayLike):
    """This runtime with a session of its own."""

    library = "cellray"

    def start(self) -> None:
        """As a script does it: init, then define."""
        # What is done with the log after a session would be measured with the next contender.
        os.environ.setdefault("CELLRAY_LOG_ARCHIVE_BYTES_MAX", "0")
        self._session = self._api.init(num_cpus=WORKERS, object_store_memory=STORE_BYTES)
        self.define()

    @property
    def address(self) -> str:
        """The session's folder."""
        address: str = self._session.address
        return address

    def join(self, address: str) -> None:
        """One more driver."""
        self._api.init(address=address)
        self.define()


if __name__ == "__main__":
    main(Cellray())
