"""The disk's side of spilling: carries orders out in a thread, one after another, and reports what became of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from cellray.errors import SpillError
from cellray.model.command import Spill
from cellray.model.fact import LoggedFact, ObjectRestored, ObjectSpilled, SpillFailed
from cellray.ports import Clock, SpillStore
from cellray.store import remove_checkpoint

log = logging.getLogger(__name__)


class Spilling:
    """One thread, so that files are written whole and in order and the event loop never waits for the disk.

    `report` is called on the event loop, for each order once, unless the session ends first.
    """

    def __init__(
        self, store: SpillStore, checkpoint_folder: str, clock: Clock, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.report: Callable[[Sequence[LoggedFact]], None] = lambda _facts: None
        self._store = store
        self._checkpoint_folder = checkpoint_folder
        self._clock = clock
        self._loop = loop
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cellray-spill")
        self._closed = False

    def spill(self, objects: Sequence[Spill]) -> None:
        """Write objects to files."""
        for order in objects:
            self._thread.submit(self._write, order)

    def restore(self, objects: Sequence[Spill]) -> None:
        """Read objects from files."""
        for order in objects:
            self._thread.submit(self._read, order)

    def drop(self, spill_ids: Sequence[int]) -> None:
        """Remove files."""
        self._thread.submit(self._drop, spill_ids)

    def drop_checkpoints(self, files: Sequence[str]) -> None:
        """Remove files of checkpoints."""
        for file in files:
            self._thread.submit(remove_checkpoint, self._checkpoint_folder, file)

    def close(self) -> None:
        """Stop at the next piece; nothing is reported any more. Blocking, short."""
        self._closed = True
        self._store.close()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _write(self, order: Spill) -> None:
        try:
            self._store.write(order.spill_id, order.offset, order.object_bytes)
        except Exception as error:
            self._tell_failed(order, error, restoring=False)
        else:
            self._tell(ObjectSpilled(order.object_id, order.spill_id, order.object_bytes, self._clock.now()))

    def _read(self, order: Spill) -> None:
        try:
            self._store.read(order.spill_id, order.offset, order.object_bytes)
        except Exception as error:
            self._tell_failed(order, error, restoring=True)
        else:
            self._tell(ObjectRestored(order.object_id, order.spill_id, order.object_bytes, self._clock.now()))

    def _tell_failed(self, order: Spill, error: Exception, *, restoring: bool) -> None:
        """Whatever it is: somebody waits for an answer."""
        reason = str(error)
        if not isinstance(error, SpillError):
            log.error("an object could not be moved", exc_info=error)
            reason = f"{type(error).__name__}: {error}"
        self._tell(SpillFailed(order.object_id, order.spill_id, self._clock.now(), reason, restoring))

    def _drop(self, spill_ids: Sequence[int]) -> None:
        for spill_id in spill_ids:
            self._store.drop(spill_id)

    def _tell(self, fact: LoggedFact) -> None:
        if not self._closed:
            self._loop.call_soon_threadsafe(self._report, fact)

    def _report(self, fact: LoggedFact) -> None:
        if not self._closed:
            self.report([fact])
