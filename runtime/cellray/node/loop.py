"""The node's loop: feeds the core with what comes in, with time and with ends of processes, and has it performed.

The shell decides nothing and the core performs nothing. Everything here runs on the one event loop thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from cellray.core.node_scheduler import NodeScheduler
from cellray.errors import SessionError
from cellray.gcs.log_buffer import LogBuffer
from cellray.gcs.log_index import index_keys
from cellray.ids import NODE, ClientId, JobId, root_task_id
from cellray.model.command import Exit, ReadOutput, Send, Warn
from cellray.model.fact import (
    ClockTicked,
    DirectCallsMade,
    Fact,
    ItemsYielded,
    JobEnded,
    JobStarted,
    LogForgotten,
    LoggedFact,
    MemoryMeasured,
    TaskFinished,
    WorkerOutput,
    WorkerStarted,
    encode_facts,
    fact_decoder,
    fact_encoder,
)
from cellray.model.history import HistoryFound
from cellray.model.object import ObjectValue, ValueKind
from cellray.node.connection import ClientConnection
from cellray.node.history_desk import HistoryDesk
from cellray.node.memory_watch import MemoryWatch
from cellray.node.perform import Performer
from cellray.node.pool import TemplatePool
from cellray.node.register import GcsRegister
from cellray.node.settings import NodeSettings, SessionFolder
from cellray.node.spilling import Spilling
from cellray.node.worker_ends import WorkerEnds
from cellray.node.worker_files import WorkerFiles
from cellray.ports import Clock
from cellray.store import digest_of
from cellray.wire import Frame, FrameKind, Hello, Welcome

log = logging.getLogger(__name__)
OVERFULL_PAUSE_S = 0.02
TICK_EARLY = 0.75
"""When so much of the interval between two ticks has passed, the next frame of a client brings the tick along."""
TICK_LATE_S = 0.0005
"""So that it is not a little too early for what is to be seen then."""
LOG_AS_IT_CAME_BYTES = 64 * 1024
LOG_AS_IT_CAME_FACT_BYTES = 256
"""Frames up to that size, and those with no more than that for each fact, are not looked through for large values."""
# Plain integers: looking a member up runs Python code.
FACTS: Final[int] = FrameKind.FACTS.value
REQUESTS: Final[int] = FrameKind.REQUESTS.value


class NodeLoop:
    """`ingress.Reception`: admits clients and passes on their facts."""

    def __init__(
        self,
        settings: NodeSettings,
        folder: SessionFolder,
        core: NodeScheduler,
        pool: TemplatePool,
        event_log: LogBuffer,
        register: GcsRegister,
        spilling: Spilling,
        history: HistoryDesk,
        gcs_url: str,
        end_session: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self.core = core
        self.clients: dict[ClientId, ClientConnection] = {}
        self._settings = settings
        self._folder = folder
        self._event_log = event_log
        self._gcs_url = gcs_url
        self._end_session = end_session
        self._clock = clock
        self._jobs: dict[ClientId, JobId] = {}
        self._worker_files = WorkerFiles(folder.logs)
        self._performer = Performer(
            self.clients, pool, self.append, register.put_functions, spilling, self._read_output, history.find
        )
        history.report = self._on_history_found
        spilling.report = self.record
        self._has_warned_of_forgetting = False
        self._tick: asyncio.TimerHandle | None = None
        self._tick_s = settings.config.tick_ms / 1000
        self._tick_at = 0.0
        self._may_tick_at = 0.0
        self._held_back: list[ClientConnection] = []
        self._config_bytes = msgspec.msgpack.encode(settings.config)
        self.on_owner_left: list[asyncio.Future[str]] = []
        self.memory_watch = MemoryWatch(
            settings.config.memory_usage_threshold,
            settings.config.memory_monitor_refresh_ms,
            lambda: pool.pids,
            self._on_memory_measured,
            clock,
        )
        self._worker_ends = WorkerEnds(
            self.clients, self._worker_files, self.record, lambda: pool.pids, self.memory_watch.has_kernel_killed, clock
        )
        pool.on_exited = self._worker_ends.on_process_ended

    # -- facts

    def record(self, facts: Sequence[LoggedFact]) -> None:
        """Facts that the shell itself knows: logged and handed to the core."""
        self.append(facts)
        self._feed(facts, NODE)

    def _on_history_found(self, fact: HistoryFound) -> None:
        self._feed([fact], NODE)

    def _feed(self, facts: Sequence[Fact | HistoryFound], source: ClientId) -> None:
        at = self._clock.now()
        try:
            self._performer.perform(self.core.handle(facts, source, at))
        except Exception as error:
            if source != NODE:
                raise  # its connection ends with it
            self._give_up(error)
            return
        if self._tick is None:
            if self.core.wants_ticks:
                self._plan_tick(min(at + self._tick_s, self.core.look_at), at)
        elif self.core.look_at < self._tick_at:
            self._tick.cancel()
            self._plan_tick(self.core.look_at, at)
        elif at >= self._may_tick_at and source != NODE:
            # To be woken for it a moment later costs more than the tick itself.
            self._tick.cancel()
            self._on_tick()

    def _plan_tick(self, due: float, at: float) -> None:
        """`due` is kept as it was given: else it would seem to be earlier than planned, and be put off for ever."""
        wait_s = max(0.0, due - at)
        self._tick = asyncio.get_running_loop().call_later(wait_s + TICK_LATE_S, self._on_tick)
        self._tick_at = due
        self._may_tick_at = at + TICK_EARLY * wait_s

    def _give_up(self, error: Exception) -> None:
        """The core has made a mistake about something that happens once: whoever waits for it would wait for ever."""
        log.error("what the node itself has told its core could not be handled", exc_info=error)
        story = f"{type(error).__name__}: {error}".rstrip(".")
        self._end_session(
            f"its node made a mistake. This is a bug in Cellray, please report it with this text: {story}"
        )

    def _on_tick(self) -> None:
        self._tick = None
        self._feed([ClockTicked(self._clock.now())], NODE)

    def _on_memory_measured(self, fact: MemoryMeasured) -> None:
        self._feed([fact], NODE)

    def append(self, facts: Sequence[LoggedFact]) -> None:
        """Facts for the log alone: the core has them from elsewhere, or does not care."""
        self._event_log.add(NODE, fact_encoder.encode(facts), len(facts), index_keys(facts))

    def on_forgotten(self, facts: Sequence[LogForgotten]) -> None:
        """Parts of the log were given up; drivers are warned of the first one."""
        self.append(facts)
        if not self._has_warned_of_forgetting:
            self._has_warned_of_forgetting = True
            warning = Warn(
                f"the session's log has no room and gives up its oldest part: {facts[0].reason}. Tasks go on; what was "
                "given up can be neither looked at nor replayed, and objects that it made cannot be made again."
            )
            drivers = [client_id for client_id, client in self.clients.items() if client.hello.role == "driver"]
            self._performer.perform([Send(client_id, warning) for client_id in drivers])

    # -- ingress.Reception

    def admit(self, hello: Hello, client: ClientConnection) -> Welcome:
        """A client proved the token: tell the core, and the client what it must know."""
        now = self._clock.now()
        job_id = JobId(os.urandom(4))
        if hello.role not in ("driver", "worker"):
            raise SessionError(f"unknown role {hello.role!r}; a client is a driver or a worker")
        if hello.role == "worker":
            self._worker_ends.check(hello.pid)
        self.clients[client.client_id] = client
        if hello.role == "driver":
            self._jobs[client.client_id] = job_id
            root = root_task_id(job_id)
            started = JobStarted(client.client_id, job_id, root, now, hello.pid, hello.entrypoint, hello.namespace)
            self.record([started])
        else:
            self.record([WorkerStarted(client.client_id, now, hello.pid)])
        return Welcome(
            client_id=client.client_id,
            session_id=self._settings.session_id,
            node_id=self._settings.node_id,
            job_id=job_id,
            root_task_id=root_task_id(job_id),
            resources=self._settings.resources,
            arena_bytes=self._settings.arena_bytes,
            gcs_url=self._gcs_url,
            config=self._config_bytes,
        )

    def receive(self, client: ClientConnection, frames: Sequence[Frame]) -> None:
        """Frames that came together: into the log as they came, and all to the core at once."""
        facts: list[Fact] = []
        try:
            for kind, payload in frames:
                taken = fact_decoder.decode(payload)
                if len(frames) == 1 and (ahead := self.core.ahead(taken, client.client_id)) is not None:
                    self._performer.send(ahead)
                if kind == FACTS:
                    bytes_max = max(LOG_AS_IT_CAME_BYTES, LOG_AS_IT_CAME_FACT_BYTES * len(taken))
                    record = payload if len(payload) <= bytes_max else self._without_large_values(taken)
                    self._event_log.add(client.client_id, record, len(taken), index_keys(taken))
                elif kind != REQUESTS:
                    raise SessionError(f"a client sends facts or requests, not frames of kind {kind}")
                facts += taken
                if taken and type(taken[0]) is DirectCallsMade:
                    # Of these the core tells the log: before the log is told what follows from them.
                    facts, first = [], facts
                    self._feed(first, client.client_id)
        finally:
            if facts:
                self._feed(facts, client.client_id)
        if self._event_log.is_overfull:
            self._hold_back(client)

    def _hold_back(self, client: ClientConnection) -> None:
        """The GCS does not keep up and the log's buffer is full: this client must wait with what it has to say."""
        client.pause()
        if not self._held_back:
            log.warning("the log's buffer is full (%d bytes); clients wait for the GCS", self._event_log.backlog_bytes)
            asyncio.get_running_loop().call_later(OVERFULL_PAUSE_S, self._let_on)
        self._held_back.append(client)

    def _let_on(self) -> None:
        if self._event_log.is_overfull:
            asyncio.get_running_loop().call_later(OVERFULL_PAUSE_S, self._let_on)
            return
        clients, self._held_back = self._held_back, []
        for client in clients:
            client.resume()

    def _without_large_values(self, facts: Sequence[object]) -> bytes:
        """The log keeps everything that is needed to run tasks again, but of large results only size and digest."""
        bytes_max = self._settings.config.log_inline_value_bytes_max
        slim = [
            msgspec.structs.replace(fact, values=[_slim_value(value, bytes_max) for value in fact.values])
            if isinstance(fact, TaskFinished | ItemsYielded)
            else fact
            for fact in facts
        ]
        return encode_facts(slim)  # type: ignore[arg-type]

    def left(self, client: ClientConnection) -> None:
        """A connection ended: a driver's job with it; a worker is buried when its exit status is known."""
        self.clients.pop(client.client_id, None)
        if client.hello.role == "driver":
            job_id = self._jobs.pop(client.client_id, None)
            if job_id is not None:  # else `say_goodbye` has told it already
                self.record([JobEnded(client.client_id, job_id, self._clock.now(), "the driver disconnected")])
            if client.hello.owner:
                for future in self.on_owner_left:
                    if not future.done():
                        future.set_result("its driver disconnected")
            return
        self._worker_ends.on_disconnected(client.client_id, client.hello.pid)

    def _read_output(self, command: ReadOutput) -> None:
        client = self.clients.get(command.worker_id)
        if client is not None:
            pieces = self._worker_files.read(client.hello.pid, to_the_end=command.to_the_end)
            now = self._clock.now()
            self.record([WorkerOutput(command.worker_id, now, *piece, task_id=command.task_id) for piece in pieces])

    # -- end

    def say_goodbye(self, reason: str) -> None:
        """Tell every client that the session ends, and its jobs' end to the log."""
        if self._tick is not None:
            self._tick.cancel()
        self.memory_watch.close()
        now = self._clock.now()
        goodbye = Exit(f"the session has ended: {reason}")
        self._performer.perform([Send(client_id, goodbye) for client_id in self.clients])
        for client_id, job_id in list(self._jobs.items()):
            self.record([JobEnded(client_id, job_id, now, reason)])
        self._jobs.clear()


def _slim_value(value: ObjectValue, bytes_max: int) -> ObjectValue:
    if value.kind != ValueKind.INLINE or len(value.data) <= bytes_max:
        return value
    digest = digest_of([value.data])
    return msgspec.structs.replace(value, data=b"", object_bytes=len(value.data), digest=digest)
