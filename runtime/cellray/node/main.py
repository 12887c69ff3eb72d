"""The node process, from start to end: `python -m cellray.node.main <session folder> <ready descriptor>`.

It starts the template and the Redis server first, because they take longest, and does its own imports meanwhile.
To the ready descriptor it writes one line a step (`step <what>`), and last `ready` or `failed <why>`; the driver that
started it reads them, so that a slow start says where it is and a failed one why.
"""

from __future__ import annotations

import cellray.quick_start  # noqa: F401

# isort: split

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from cellray.errors import CellrayError
from cellray.ids import TaskId
from cellray.model.task import RESOURCE_UNITS
from cellray.node.gcs_keeper import GcsKeeper
from cellray.node.pool import TemplatePool
from cellray.node.settings import NodeSettings, SessionFolder
from cellray.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from cellray.core.node_scheduler import NodeScheduler
    from cellray.node.event_loop import NodeEventLoop
    from cellray.ports import LogWriter

log = logging.getLogger("cellray.node")
DRAIN_S = 2.0
END_TIMEOUT_S = 5.0
GC_THRESHOLDS = (50_000, 20, 100)
"""The core's records are many, live as long as their tasks and end by their counts: the collector finds no cycles among
them, however often it looks. It looks seldom, for those that exceptions and libraries make."""


class Node:
    """Puts the node's parts together and takes them apart again."""

    def __init__(self, folder: SessionFolder, report: Callable[[str], None]) -> None:
        self._folder = folder
        self._report = report
        self._settings: NodeSettings = folder.read_settings()
        self._token = folder.read_token()
        self._stop: asyncio.Future[str] | None = None

    def start_processes(self) -> None:
        """The template and, unless somebody else runs the GCS, the Redis server."""
        settings = self._settings
        self._listener = self._folder.listen()  # first: workers may be there before the node is
        self._report("step starting the workers' template")
        self._pool = TemplatePool(
            WorkerSettings(
                socket_path=self._folder.node_socket,
                token=self._token,
                log_folder=self._folder.logs,
                checkpoint_folder=self._folder.checkpoints,
                node_pid=os.getpid(),
                path=settings.path,
            ),
            self._folder.log("template.log"),
        )
        self._pool.start(settings.workers)
        self._report("step starting redis-server")
        self._gcs_keeper = None if settings.gcs_url else self._start_gcs()

    def _start_gcs(self) -> GcsKeeper:
        memory_bytes_max = self._settings.config.log_memory_bytes_max
        return GcsKeeper(self._folder.path, self._token, memory_bytes_max, self._request_stop)

    async def run(self) -> None:
        """Until the owner leaves, somebody asks to stop, or a part is lost for good."""
        from cellray.node.event_loop import NodeEventLoop

        loop = asyncio.get_running_loop()
        assert isinstance(loop, NodeEventLoop)
        self._stop = loop.create_future()
        await self._start_parts(loop)
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self._report("ready")
        reason = await self._stop
        log.info("session ends: %s", reason)
        await self._end(reason)

    async def _start_parts(self, loop: NodeEventLoop) -> None:
        from cellray.clock import SystemClock
        from cellray.node.ingress import Ingress
        from cellray.node.loop import NodeLoop
        from cellray.node.spilling import Spilling
        from cellray.store import SpillFiles, create_arena

        settings, folder = self._settings, self._folder
        core = self._make_core()
        gcs_url = settings.gcs_url or self._wait_for_gcs(loop)
        self._report("step creating the object store")
        arena_fd = create_arena(settings.arena_bytes)
        self._make_log(gcs_url)
        self._spilling = Spilling(SpillFiles(folder.spill, arena_fd), folder.checkpoints, SystemClock(), loop)
        self._loop = NodeLoop(
            settings,
            folder,
            core,
            self._pool,
            self._event_log,
            self._register,
            self._spilling,
            self._history,
            gcs_url,
            self._request_stop,
            SystemClock(),
        )
        self._archive_keeper.on_forgotten = self._loop.on_forgotten
        self._ingress = Ingress(self._loop, loop.clients, self._token, arena_fd, settings.config.frame_bytes_max)
        self._begin(loop, core)

    def _make_core(self) -> NodeScheduler:
        from cellray.core.node_scheduler import NodeScheduler
        from cellray.store import spill_quota_bytes

        settings, config = self._settings, self._settings.config
        quota_bytes = spill_quota_bytes(self._folder.path, config.spill_bytes_max, config.spill_disk_share)
        limited = msgspec.structs.replace(config, spill_bytes_max=quota_bytes)
        return NodeScheduler(settings.node_id, settings.resources, settings.arena_bytes, limited)

    def _make_log(self, gcs_url: str) -> None:
        """All that writes to the GCS or asks it."""
        from cellray.clock import SystemClock
        from cellray.gcs.address import parse_address
        from cellray.gcs.log_buffer import LogBuffer
        from cellray.gcs.log_history import LogHistory
        from cellray.gcs.log_writer import DiscardingLogWriter, RedisLogWriter
        from cellray.node.archive_keeper import ArchiveKeeper
        from cellray.node.archives import read_session
        from cellray.node.history_desk import HistoryDesk
        from cellray.node.register import GcsRegister

        settings, config, address = self._settings, self._settings.config, parse_address(gcs_url)
        # A server of the user's own is neither limited nor trimmed.
        memory_bytes_max = 0 if self._gcs_keeper is None else config.log_memory_bytes_max
        self._archive_keeper = ArchiveKeeper(self._folder, memory_bytes_max)
        self._log_writer: LogWriter = (
            DiscardingLogWriter()
            if config.log_discarded
            else RedisLogWriter(address, settings.session_id, timeout_s=config.gcs_connect_timeout_s)
        )
        self._event_log = LogBuffer(
            self._log_writer,
            settings.node_id,
            config,
            SystemClock(),
            on_unavailable=lambda error: log.warning("the event log waits: %s", error),
            on_available=lambda away_s: log.info("the event log is written again after %.3f s", away_s),
            on_failed=lambda error: self._request_stop(str(error)),
            on_written=self._archive_keeper.on_written,
        )
        self._register = GcsRegister(address, settings, self._folder)
        reader = read_session(gcs_url, settings.session_id, config.gcs_connect_timeout_s)
        self._history = HistoryDesk(LogHistory(reader), self._event_log)

    def _begin(self, loop: NodeEventLoop, core: NodeScheduler) -> None:
        """Everything is there: say so in the log, and let clients, signals and tools in."""
        from cellray.awake import CAN_YIELD
        from cellray.model.fact import NodeJoined, SessionStarted
        from cellray.node.control import ControlServer
        from cellray.store import usable_cpus

        settings = self._settings
        if CAN_YIELD:
            status, cores = core.status, usable_cpus()
            loop.clients.may_stay_awake = lambda: status.live_count < cores
        now = time.time()
        self._loop.record(
            [
                SessionStarted(settings.session_id, now),
                NodeJoined(settings.node_id, now, os.getpid(), settings.resources, settings.arena_bytes),
            ]
        )
        self._report("step listening")
        self._ingress.accept(self._listener)
        self._pool.on_template_lost = self._request_stop
        self._pool.attach(loop)
        self._loop.memory_watch.start()
        self._watch_owner(loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._request_stop, f"the node got {number.name}")
        self._control = ControlServer(
            self._token, {"Status": self._on_status, "Cancel": self._on_cancel, "Stop": self._on_stop}
        )
        self._event_log.start()
        self._register.start(now)
        self._control_start = asyncio.ensure_future(self._control.start(self._folder.control_socket))

    def _wait_for_gcs(self, loop: asyncio.AbstractEventLoop) -> str:
        assert self._gcs_keeper is not None
        self._report("step waiting for redis-server")
        self._gcs_keeper.wait_ready()
        self._gcs_keeper.watch(loop)
        return self._gcs_keeper.url

    def _request_stop(self, reason: str) -> None:
        if self._stop is not None and not self._stop.done():
            self._stop.set_result(reason)

    # -- the owner

    def _watch_owner(self, loop: asyncio.AbstractEventLoop) -> None:
        """The session ends with the driver that started it, however that ends.

        A process descriptor tells even when the driver's forked children keep its socket open.
        """
        owner_left: asyncio.Future[str] = loop.create_future()
        owner_left.add_done_callback(lambda future: self._request_stop(future.result()))
        self._loop.on_owner_left.append(owner_left)
        owner_pid = self._settings.owner_pid
        if not hasattr(os, "pidfd_open"):
            return
        try:
            descriptor = os.pidfd_open(owner_pid)
        except OSError:
            self._request_stop("its driver ended before the node had started")
            return

        def on_ended() -> None:
            loop.remove_reader(descriptor)
            self._request_stop(f"its driver (pid {owner_pid}) ended")

        loop.add_reader(descriptor, on_ended)

    # -- control

    async def _on_status(self, _request: Any) -> Any:
        from cellray.node.control import NodeStatus, WorkerStatus

        core, settings = self._loop.core.status, self._settings
        clients = self._loop.clients
        return NodeStatus(
            session_id=settings.session_id,
            node_id=settings.node_id,
            started_at=settings.started_at,
            at=time.time(),
            pid=os.getpid(),
            drivers=sum(client.hello.role == "driver" for client in clients.values()),
            workers=[
                WorkerStatus(worker.worker_id, worker.pid, worker.state, worker.task_count) for worker in core.workers()
            ],
            tasks=self._task_counts(),
            resources_total=_amounts(settings.resources),
            resources_available=_amounts(core.available.items()),
            object_store_bytes=settings.arena_bytes,
            object_store_used_bytes=core.object_bytes,
            object_store_spilled_bytes=core.spilled_bytes,
            object_count=core.object_count,
            objects_read=core.pin_count,
            sources_given_up=core.sources_given_up,
            gcs_url=_without_password(settings.gcs_url) or f"unix://{self._folder.redis_socket}",
            log_sequence=self._event_log.last_sequence,
            gcs_unavailable_since=self._event_log.unavailable_since,
        )

    def _task_counts(self) -> dict[str, int]:
        """By state, with what a worker holds beside its running task counted as ready."""
        status = self._loop.core.status
        counts = {state.name.lower(): count for state, count in status.counts().items()}
        counts["running"] = len(status.running())
        counts["ready"] += counts.pop("assigned") - counts["running"]
        return counts

    async def _on_cancel(self, request: Any) -> Any:
        from cellray.model.fact import CancelRequested
        from cellray.node.control import CancelReply

        task_ids = [TaskId(task) for task in request.task_ids]
        live = sum(map(self._loop.core.status.is_live, task_ids))
        self._loop.record(
            [CancelRequested(task_ids, time.time(), request.force, request.recursive, "asked for by a tool")]
        )
        return CancelReply(live)

    async def _on_stop(self, request: Any) -> Any:
        from cellray.node.control import StopReply

        asyncio.get_running_loop().call_later(0.05, self._request_stop, request.reason)
        return StopReply()

    # -- end

    async def _end(self, reason: str) -> None:
        """Whatever hangs here must not keep a session alive that nobody owns; `remove` does the rest."""
        from cellray.model.fact import SessionEnded

        self._loop.say_goodbye(reason)
        self._loop.record([SessionEnded(time.time(), reason)])
        await self._ingress.close()
        self._pool.close()
        self._spilling.close()
        self._history.close()
        if self._gcs_keeper is not None:
            async with _at_most(END_TIMEOUT_S):
                await self._gcs_keeper.take_all()
        await self._event_log.drain(DRAIN_S)  # as long as it gets on: a log that was short of memory may hold much
        async with _at_most(END_TIMEOUT_S):
            self._archive_keeper.close()
            self._register.put_end(time.time())
            await self._register.close(DRAIN_S)
            await self._log_writer.close()
            self._control_start.cancel()
            await self._control.close()

    def remove(self) -> None:
        """Processes and files that are left; called however the node ends."""
        with contextlib.suppress(Exception):
            self._pool.close()
        with contextlib.suppress(Exception):
            self._spilling.close()
        with contextlib.suppress(Exception):
            self._archive_keeper.close()  # before its server: it holds the archive, to which the log goes now
        with contextlib.suppress(Exception):
            if self._gcs_keeper is not None:
                self._gcs_keeper.stop()
        from cellray.node.ended_session import remove_session_folder

        remove_session_folder(self._folder)


@contextlib.asynccontextmanager
async def _at_most(seconds: float) -> AsyncIterator[None]:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            yield


def _amounts(resources: Any) -> dict[str, float]:
    return {name: units / RESOURCE_UNITS for name, units in resources}


def _without_password(url: str) -> str:
    if "@" not in url:
        return url
    scheme, rest = url.split("://", 1)
    return f"{scheme}://{rest.rsplit('@', 1)[1]}"


def main() -> None:
    """Run a node in this process."""
    folder = SessionFolder(sys.argv[1])
    ready_descriptor = int(sys.argv[2])

    def report(line: str) -> None:
        with contextlib.suppress(OSError):
            os.write(ready_descriptor, line.encode() + b"\n")

    logging.basicConfig(
        filename=folder.log("node.log"), level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    with open(folder.node_pid, "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    node = Node(folder, report)
    try:
        node.start_processes()
        from cellray.node.event_loop import NodeEventLoop  # the processes start while we import

        with asyncio.Runner(loop_factory=NodeEventLoop) as runner:
            runner.run(node.run())
    except CellrayError as error:
        log.exception("the node failed")
        report("failed " + str(error).replace("\n", " "))
    except Exception as error:
        log.exception("the node failed")
        report(f"failed {type(error).__name__}: {error}".replace("\n", " "))
        raise
    finally:
        node.remove()
    logging.shutdown()
    os._exit(0)  # no thread of a library may keep the process


if __name__ == "__main__":
    main()
