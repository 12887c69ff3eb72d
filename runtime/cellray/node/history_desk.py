"""Looks tasks up in the event log for the core, on a thread of its own: the event loop never waits for the GCS."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cellray.errors import CellrayError
from cellray.model.history import HistoryFound

if TYPE_CHECKING:
    from cellray.gcs.log_buffer import LogBuffer
    from cellray.ids import TaskId
    from cellray.model.history import TaskHistory
    from cellray.ports import History

log = logging.getLogger(__name__)


class HistoryDesk:
    """One thread, so that answers come in the order of the questions. Those that wait for it are looked up together: a
    record of the log that tells of several tasks is then read once, when many actors die at a time.

    `report` is called on the event loop, for each question once, unless the session ends first.
    """

    def __init__(self, history: History, event_log: LogBuffer) -> None:
        self.report: Callable[[HistoryFound], None] = lambda _fact: None
        self._history = history
        self._event_log = event_log
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cellray-history")
        self._questions: list[tuple[TaskId, ...]] = []
        self._work: asyncio.Task[None] | None = None
        self._closed = False

    def find(self, task_ids: tuple[TaskId, ...]) -> None:
        """Look these up, once all that was logged until now can be read."""
        self._questions.append(task_ids)
        if self._work is None:
            self._work = asyncio.ensure_future(self._answer_all())

    def close(self) -> None:
        """Nothing is reported any more. What the thread does ends with its connection."""
        self._closed = True
        self._history.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _answer_all(self) -> None:
        try:
            while self._questions and not self._closed:
                questions, self._questions = self._questions, []
                await self._event_log.written(self._event_log.last_sequence)
                await self._answer(questions)
        finally:
            self._work = None

    async def _answer(self, questions: list[tuple[TaskId, ...]]) -> None:
        if self._closed:
            return
        wanted = tuple(dict.fromkeys(task_id for question in questions for task_id in question))
        found, error = await asyncio.get_running_loop().run_in_executor(self._thread, self._find, wanted)
        for question in questions:
            if self._closed:
                return
            mine = {task_id: found[task_id] for task_id in question if task_id in found}
            self.report(HistoryFound(question, mine, error))

    def _find(self, task_ids: tuple[TaskId, ...]) -> tuple[dict[TaskId, TaskHistory], str]:
        try:
            return self._history.find(task_ids), ""
        except CellrayError as error:
            return {}, str(error)
        except Exception as error:  # whatever it is: tasks wait for an answer
            log.exception("what the event log tells could not be read")
            return {}, f"the event log could not be read ({type(error).__name__}: {error})"
