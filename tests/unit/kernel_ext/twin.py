"""An in-process twin of the runtime as remote cells see it: threads, and values that are pickled on the way."""

from __future__ import annotations

import itertools
import pickle
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import cloudpickle
from cellray.exceptions import TaskCancelledError, TaskError
from cellray_kernel.options import RemoteOptions
from cellray_kernel.remote_cell import run_cell
from cellray_kernel.session import DoneCallback, LiveCounts

OutputCallback = Callable[[str | None, bytes, str, str, int], None]


class TwinRef:
    """One return of a task."""

    def __init__(self, task: TwinTask, position: int) -> None:
        self.task = task
        self.position = position

    def value(self) -> Any:
        data: bytes = self.task.future.result()[self.position]
        return pickle.loads(data)


class TwinTask:
    """A task of the twin."""

    def __init__(self, number: int) -> None:
        self.task_id = number.to_bytes(16, "big")
        self.future: Future[list[bytes]] = Future()


class TwinSession:
    """`CellSession` with threads. Tasks begin only while `gate` is set."""

    def __init__(self) -> None:
        self.cancelled: list[TwinRef] = []
        self.submitted: list[RemoteOptions] = []
        self.gate = threading.Event()
        self.gate.set()
        self.listeners: list[OutputCallback] = []
        self._numbers = itertools.count(1)
        self._pool = ThreadPoolExecutor(8)

    def __enter__(self) -> TwinSession:
        return self

    def __exit__(self, *_: object) -> None:
        """Let held tasks go: their threads would outlive the test."""
        self.gate.set()
        self._pool.shutdown()

    def ensure(self) -> None:
        """There always is one."""

    def is_ref(self, value: object) -> bool:
        return isinstance(value, TwinRef)

    def put(self, value: Any) -> Any:
        task = TwinTask(next(self._numbers))
        task.future.set_result([cloudpickle.dumps(value)])
        return TwinRef(task, 0)

    def submit(
        self,
        cell: Any,
        given: dict[str, Any],
        refs: Mapping[str, Any],
        num_returns: int,
        name: str,
        options: RemoteOptions,
    ) -> tuple[Any, ...]:
        self.submitted.append(options)
        task = TwinTask(next(self._numbers))
        arguments = cloudpickle.dumps((None if self.is_ref(cell) else cell, given))
        self._pool.submit(self._run, task, arguments, cell, dict(refs), num_returns, name)
        return tuple(TwinRef(task, position) for position in range(num_returns))

    def _run(
        self, task: TwinTask, arguments: bytes, package: Any, refs: dict[str, TwinRef], num_returns: int, name: str
    ) -> None:
        self.gate.wait()
        if not task.future.set_running_or_notify_cancel() or task.future.done():
            return
        try:
            cell, given = pickle.loads(arguments)
            cell = package.value() if cell is None else cell
            values = [ref.value() for ref in refs.values()]
            result = run_cell(cell, given, tuple(refs), *values)
            returned = [result] if num_returns == 1 else list(result)
            outcome: list[bytes] = [cloudpickle.dumps(value) for value in returned]
        except BaseException as error:
            task.future.set_exception(
                TaskError(name, task.task_id.hex(), traceback.format_exc(), error).as_instanceof_cause()
            )
        else:
            task.future.set_result(outcome)

    def watch(self, ref: Any, callback: DoneCallback) -> None:
        def done(future: Future[list[bytes]]) -> None:
            callback(TaskCancelledError("cancelled") if future.cancelled() else future.exception())

        ref.task.future.add_done_callback(done)

    def get(self, refs: Sequence[Any]) -> list[Any]:
        return [ref.value() for ref in refs]

    def cancel(self, ref: Any) -> None:
        self.cancelled.append(ref)
        ref.task.future.cancel()

    def on_output(self, callback: OutputCallback) -> Callable[[], None]:
        self.listeners.append(callback)
        return lambda: self.listeners.remove(callback)

    def task_id(self, ref: Any) -> bytes:
        task_id: bytes = ref.task.task_id
        return task_id

    def follow(self, task_ids: Iterable[bytes]) -> Callable[[], LiveCounts]:
        return LiveCounts

    def status(self) -> list[tuple[str, str]]:
        return [("session", "a twin")]

    def end(self) -> None:
        self.listeners.clear()
