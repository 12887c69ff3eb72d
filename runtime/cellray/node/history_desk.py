"""Looks tasks up in the event log for the core, on a thread of its own: the event loop never waits for the GCS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cellray.errors import CellrayError
from cellray.model.history import HistoryFound

if TYPE_CHECKING:
    from cellray.gcs.log_buffer import LogBuffer
    from cellray.ids import TaskId
    from cellray.ports import History


class HistoryDesk:
    """One thread, so that answers come in the order of the questions.

    `report` is called on the event loop, for each question once, unless the session ends first.
    """

    def __init__(self, history: History, event_log: LogBuffer) -> None:
        self.report: Callable[[HistoryFound], None] = lambda _fact: None
        self._history = history
        self._event_log = event_log
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cellray-history")
        self._last: asyncio.Task[None] | None = None
        self._closed = False

    def find(self, task_ids: tuple[TaskId, ...]) -> None:
        """Look these up, once all that was logged until now can be read."""
        self._last = asyncio.ensure_future(self._answer(task_ids, self._event_log.last_sequence, self._last))

    def close(self) -> None:
        """Nothing is reported any more. What the thread does ends with its connection."""
        self._closed = True
        self._history.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, task_ids: tuple[TaskId, ...], sequence: int, before: asyncio.Task[None] | None) -> None:
        await self._event_log.written(sequence)
        if before is not None:
            await before
        if self._closed:
            return
        found = await asyncio.get_running_loop().run_in_executor(self._thread, self._find, task_ids)
        if not self._closed:
            self.report(found)

    def _find(self, task_ids: tuple[TaskId, ...]) -> HistoryFound:
        try:
            return HistoryFound(task_ids, self._history.find(task_ids))
        except CellrayError as error:
            return HistoryFound(task_ids, {}, str(error))
