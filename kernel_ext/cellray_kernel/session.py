"""Every call of the notebook face into the runtime, behind one protocol; tests have a twin of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, cast

import cellray
from cellray.observe.visual import count, data_size
from cellray.provenance import OutputCallback

from cellray_kernel.options import RemoteOptions
from cellray_kernel.remote_cell import run_cell

STATUS_WAIT_S = 2.0
"""How long `%cellray` waits for the log's last facts."""

DoneCallback = Callable[[BaseException | None], None]


class LiveCounts(NamedTuple):
    """What only the event log knows of tasks that have not ended."""

    running: int = 0
    retried: int = 0


class CellSession(Protocol):
    """What a remote cell needs of the runtime. References are opaque to the callers."""

    def ensure(self) -> None:
        """Start or join a session if there is none. Raises SessionError."""

    def is_ref(self, value: object) -> bool:
        """Whether a value is a future."""

    def put(self, value: Any) -> Any:
        """Store a value once, for many tasks."""

    def submit(
        self,
        cell: Any,
        given: dict[str, Any],
        refs: Mapping[str, Any],
        num_returns: int,
        name: str,
        options: RemoteOptions,
    ) -> tuple[Any, ...]:
        """Submit one task that runs `cell` (a CellCode or a reference to one); the references of its returns."""

    def watch(self, ref: Any, callback: DoneCallback) -> None:
        """Call once when the object exists (with None) or failed (with the error), on any thread."""

    def get(self, refs: Sequence[Any]) -> list[Any]:
        """Values, in order."""

    def cancel(self, ref: Any) -> None:
        """Cancel the task that produces the object, and what it submitted."""

    def on_output(self, callback: OutputCallback) -> Callable[[], None]:
        """Hear what tasks print; returns what ends it."""

    def task_id(self, ref: Any) -> bytes:
        """The task that produces the object."""

    def follow(self, task_ids: Iterable[bytes]) -> Callable[[], LiveCounts]:
        """Follow tasks in the event log; how many of them run now and how many were retried. Raises SessionError."""

    def status(self) -> list[tuple[str, str]]:
        """Facts about the session for people: (name, value) pairs."""

    def end(self) -> None:
        """The kernel ends, and its session with it."""


class CellraySession:
    """The session of this process, through cellray's public names."""

    def __init__(self) -> None:
        self._function: Any = None
        self._prepared: tuple[Any, Any] = (None, None)

    def ensure(self) -> None:
        """Start or join a session if there is none."""
        if not cellray.is_initialized():
            cellray.init()

    def is_ref(self, value: object) -> bool:
        """Whether a value is a future."""
        return isinstance(value, cellray.ObjectRef)

    def put(self, value: Any) -> Any:
        """Store a value once."""
        return cellray.put(value)

    def submit(
        self,
        cell: Any,
        given: dict[str, Any],
        refs: Mapping[str, Any],
        num_returns: int,
        name: str,
        options: RemoteOptions,
    ) -> tuple[Any, ...]:
        """Submit one task that runs the cell."""
        function = self._function_with(num_returns, name, options)
        returned = function.remote(cell, given, tuple(refs), *refs.values())
        return (returned,) if num_returns == 1 else tuple(returned)

    def _function_with(self, num_returns: int, name: str, options: RemoteOptions) -> Any:
        """The function with its options; the tasks of a fan-out share one, which is exported once."""
        if self._function is None:
            self._function = cellray.remote(run_cell)
        asked = {
            "num_cpus": options.num_cpus,
            "num_gpus": options.num_gpus,
            "max_retries": options.max_retries,
            "resources": options.resources or None,
        }
        chosen = {key: value for key, value in asked.items() if value is not None}
        wanted = {"num_returns": num_returns, "name": name, **chosen}
        if self._prepared[0] != wanted:
            self._prepared = (wanted, self._function.options(**wanted))
        return self._prepared[1]

    def watch(self, ref: Any, callback: DoneCallback) -> None:
        """Call once when the object exists or failed."""

        def done(future: Future[Any]) -> None:
            callback(future.exception())

        ref.future().add_done_callback(done)

    def get(self, refs: Sequence[Any]) -> list[Any]:
        """Values, in order."""
        values: list[Any] = cellray.get(list(refs))
        return values

    def cancel(self, ref: Any) -> None:
        """Cancel the task that produces the object."""
        cellray.cancel(ref, recursive=True)

    def on_output(self, callback: OutputCallback) -> Callable[[], None]:
        """Hear what tasks print."""
        return cellray.provenance.on_output(callback)

    def task_id(self, ref: Any) -> bytes:
        """The task that produces the object."""
        task_id: bytes = ref.task_id()
        return task_id

    def follow(self, task_ids: Iterable[bytes]) -> Callable[[], LiveCounts]:
        """Follow tasks in the event log."""
        from cellray import observe

        follower = observe.follower()
        follower.start()
        progress = observe.CellProgress(follower.fold, task_ids=cast(Any, task_ids))

        def read() -> LiveCounts:
            with follower.lock:
                reading = progress.read(time.time())
            return LiveCounts(reading.running, reading.retried)

        return read

    def end(self) -> None:
        """Views learn what came of the last tasks."""
        with contextlib.suppress(Exception):  # nobody could be told any more
            cellray.shutdown()

    def status(self) -> list[tuple[str, str]]:
        """Facts about the session for people."""
        session = cellray.current_session()
        if session is None:
            return [("session", "none yet: the first %%remote, or cellray.init(), starts one")]
        resources = ", ".join(
            f"{data_size(amount)} {name}" if name.endswith("memory") else f"{amount:g} {name}"
            for name, amount in sorted(cellray.cluster_resources().items())
        )
        followed = cellray.observe.follower()
        cellray.observe.catch_up(STATUS_WAIT_S)
        with followed.lock:
            totals = followed.fold.totals()
            workers = sum(worker.exited_at == 0 for worker in followed.fold.workers.values())
        tasks = ", ".join(f"{count(number)} {state}" for state, number in totals.items()) or "none yet"
        return [
            ("session", session.session_id),
            ("resources", resources),
            ("workers", str(workers)),
            ("tasks", tasks),
        ]
