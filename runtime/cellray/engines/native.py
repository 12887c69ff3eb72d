"""The engine of this runtime: the public verbs over one channel to the node. Drivers and workers use the same one."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cellray.client.channel import Channel
from cellray.client.connect import Connected
from cellray.clock import SystemClock
from cellray.config import Config
from cellray.engines.actors import NativeActors
from cellray.engines.context import SubmitContext
from cellray.engines.references import References
from cellray.engines.streams import NativeStreams
from cellray.engines.templates import template_of
from cellray.engines.values import Values
from cellray.engines.views import ViewCounts
from cellray.engines.yielding import Yielding
from cellray.errors import GetTimeoutError
from cellray.ids import (
    ClientId,
    FunctionHash,
    ObjectId,
    TaskId,
    TemplateId,
    function_hash,
    is_put,
    producer_of,
    return_object_ids,
)
from cellray.model.command import (
    ActorNamed,
    Exit,
    ItemsRead,
    ItemsReady,
    ObjectsReady,
    OutputForwarded,
    SpaceGranted,
    ViewsGranted,
    Warn,
)
from cellray.model.fact import (
    CancelRequested,
    FunctionRegistered,
    ObjectSealed,
    ObjectsHeld,
    ObjectsReleased,
    ObjectsRequested,
    TemplateRegistered,
    ViewsHeld,
    ViewsReleased,
    WorkerBlocked,
    WorkerUnblocked,
)
from cellray.model.object import ObjectValue
from cellray.model.task import Cell, Function, StreamOptions, TaskSpec, TaskTemplate
from cellray.ports import ObjectStore, SubmitOptions
from cellray.serialization import (
    STORED_ARGUMENTS,
    Serialized,
    collect_references,
    serialize,
    serialize_arguments,
    serialize_function,
)

ANSWER_S = 1.0
"""What is in memory is not given up for want of an answer, however short the timeout of a `get`."""
OutputListener = Callable[[OutputForwarded], None]


class Prepared(NamedTuple):
    """A function exported with its options, ready to be submitted many times."""

    template_id: TemplateId
    num_returns: int
    function: Callable[..., Any]
    function_hash: FunctionHash
    stream: StreamOptions | None


class NativeEngine:
    """`ports.Engine` over a connection. `handlers` adds what a worker does with commands of its own."""

    def __init__(
        self,
        connected: Connected,
        store: ObjectStore,
        config: Config,
        *,
        role: str,
        handlers: dict[type, Callable[[Any], None]] | None = None,
    ) -> None:
        self.welcome = connected.welcome
        self.config = config
        self.is_worker = role == "worker"
        self.context = SubmitContext(connected.welcome.root_task_id, None)
        self.last_submitted: TaskId | None = None
        self.output_listeners: list[OutputListener] = []
        self.warning_listeners: list[Callable[[str], None]] = []
        self.references = References(self.nudge)
        self.views = ViewCounts(self.nudge)
        self.values = Values(lambda: self.channel, store, self.views, self.report_references, config.inline_bytes_max)
        self._store = store
        self._clock = SystemClock()
        self._known: dict[ObjectId, ObjectValue] = {}
        self._expected: set[ObjectId] = set()
        self._callbacks: dict[ObjectId, list[Callable[[ObjectValue], None]]] = {}
        self._callback_lock = threading.Lock()
        self._reporting = threading.Lock()
        self._functions: set[FunctionHash] = set()
        self._templates: set[int] = set()
        self._lending: set[_Lending] = set()
        self._closed = False
        self.actors = NativeActors(self)
        self.streams = NativeStreams(self)
        self.yielding = Yielding(
            lambda: self.channel, self.nudge, lambda: _Lending(self), self.now, config.submit_batch_max
        )
        self._handlers: dict[type, Callable[[Any], None]] = {
            ObjectsReady: self._on_objects_ready,
            SpaceGranted: self.values.on_granted,
            ViewsGranted: self.views.on_granted,
            OutputForwarded: self._on_output,
            Warn: self._on_warn,
            Exit: self._on_exit,
            ActorNamed: self.actors.on_named,
            ItemsReady: self.streams.on_ready,
            ItemsRead: self.yielding.on_read,
            **(handlers or {}),
        }
        self.channel: Channel = Channel(
            connected.connection,
            on_commands=self._on_commands,
            on_closed=self._on_closed,
            before_flush=self.report_references,
            has_more=lambda: self._has_events,
            flush_ms=config.submit_flush_ms,
            batch_max=config.submit_batch_max,
            frame_bytes_max=config.frame_bytes_max,
        )

    # -- submitting

    def prepare(self, function: Callable[..., Any], options: SubmitOptions) -> Prepared:
        """Export the function as it is now; nothing is sent for content that the node has already."""
        with collect_references() as captured:
            pickled = serialize_function(function)
        hashed = function_hash(pickled)
        if hashed not in self._functions:
            self._functions.add(hashed)
            for obj in captured:  # as long as the function may be called, that is, as long as we are connected
                self.references.retain(obj)
            module = getattr(function, "__module__", "") or ""
            # One that only carries out what others wrote has no name of its own: it goes by that of its tasks.
            anonymous = getattr(function, "__cellray_anonymous__", False)
            name = "" if anonymous else getattr(function, "__qualname__", options.name)
            self.channel.add(
                FunctionRegistered(
                    Function(hashed, name, module, _source_of(function), pickled, options.cell), self._clock.now()
                )
            )
        template = template_of(hashed, options)
        self.register_template(template)
        return Prepared(template.template_id, options.num_returns, function, hashed, options.stream)

    def register_template(self, template: TaskTemplate) -> None:
        """Tell the node of a template, once."""
        if template.template_id not in self._templates:
            self._templates.add(template.template_id)
            self.channel.add(TemplateRegistered(template, self._clock.now()))

    def submit(self, prepared: Prepared, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[ObjectId]:
        """Submit one task. Raises SerializationError when an argument cannot be pickled; nothing is sent then."""
        channel, context = self.channel, self.context
        if channel.closed_reason is not None:
            self.require_open()
        packed = self.pack_arguments(prepared.function, args, kwargs) if args or kwargs else ()
        index, task = context.take_child()
        if prepared.stream is not None:
            self.streams.open(task, prepared.stream)
        returns = return_object_ids(task, prepared.num_returns)
        self.references.adopt(returns)
        self._expected.update(returns)
        channel.add_task(context.task_id, TaskSpec(index, prepared.template_id, *packed))
        self.last_submitted = task
        return returns

    def submit_packed(
        self,
        index: int,
        task: TaskId,
        template_id: TemplateId,
        num_returns: int,
        packed: tuple[bytes, tuple[ObjectId, ...], tuple[ObjectId, ...]],
    ) -> list[ObjectId]:
        """Submit a task that took its place in the order of submissions before."""
        self.require_open()
        returns = return_object_ids(task, num_returns)
        self.references.adopt(returns)
        self._expected.update(returns)
        self.channel.add_task(self.context.task_id, TaskSpec(index, template_id, *packed))
        self.last_submitted = task
        return returns

    def now(self) -> float:
        """Seconds since the epoch, for facts."""
        return self._clock.now()

    def pack_arguments(
        self, function: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[bytes, tuple[ObjectId, ...], tuple[ObjectId, ...]]:
        """Arguments as they travel; a payload that is large goes to the store and becomes the last dependency."""
        payload, dependencies, contained = serialize_arguments(args, kwargs, function=function)
        if isinstance(payload, bytes):
            return payload, dependencies, contained
        if payload.total_bytes <= self.config.inline_bytes_max:
            return payload.to_bytes(), dependencies, contained
        stored = self._put_serialized(payload)
        # The task holds what it depends on; our own count is not needed once the task is on its way.
        self.references.release(stored)
        return STORED_ARGUMENTS, (*dependencies, stored), ()

    # -- objects

    def put(self, value: Any) -> ObjectId:
        """Store a value: inline when small, else in shared memory."""
        self.require_open()
        return self._put_serialized(serialize(value))

    def _put_serialized(self, serialized: Serialized) -> ObjectId:
        obj = self.context.take_put()
        sealed = self.values.seal(obj, serialized)
        self.references.adopt((obj,))
        self._known[obj] = sealed
        self.channel.add(ObjectSealed(obj, self._clock.now(), sealed))
        return obj

    def get(self, ids: Sequence[ObjectId], timeout_s: float | None) -> list[Any]:
        """Values in order; what the first failed one raised. The values of one call are all had or none."""
        known = self._known
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        missing = {obj for obj in ids if obj not in known}
        if missing and not self._wait_for(missing, len(missing), timeout_s):
            raise GetTimeoutError(
                f"{len(missing)} of {len(ids)} objects were not ready after {timeout_s} s; their tasks go on. "
                "Wait longer, or cellray.cancel() them."
            )
        # An answer of the node is always waited for a little: it is there, and on one host.
        remaining_s = None if deadline is None else max(deadline - time.monotonic(), ANSWER_S)
        loaded = self.values.load(ids, [known[obj] for obj in ids], remaining_s)
        if loaded is None:
            raise GetTimeoutError(
                f"{len(ids)} objects could not be read back from disk within {timeout_s} s. Wait longer, or drop "
                "arrays that were got before (del), so that there is room for them in shared memory."
            )
        return loaded

    def wait(
        self, ids: Sequence[ObjectId], num_returns: int, timeout_s: float | None
    ) -> tuple[list[ObjectId], list[ObjectId]]:
        """Ready (at most `num_returns`) and not ready, in the order given."""
        known = self._known
        missing = {obj for obj in ids if obj not in known}
        needed = num_returns - (len(ids) - len(missing))
        if needed > 0:
            self._wait_for(missing, needed, timeout_s)
        ready: list[ObjectId] = []
        rest: list[ObjectId] = []
        for obj in ids:
            (ready if obj in known and len(ready) < num_returns else rest).append(obj)
        return ready, rest

    def _wait_for(self, missing: set[ObjectId], count: int, timeout_s: float | None) -> bool:
        """Until `count` of the missing ids are known; `missing` shrinks meanwhile."""
        self.require_open()
        self._request_foreign(missing)
        known = self._known
        enough_at = len(missing) - count

        def done() -> bool:
            # Each pass looks only until the first id that is still missing, unless any order will do.
            if enough_at == 0:
                while missing:
                    obj = missing.pop()
                    if obj not in known:
                        missing.add(obj)
                        return False
                return True
            missing.difference_update([obj for obj in missing if obj in known])
            return len(missing) <= enough_at

        self.channel.flush()
        if done():
            return True
        with _Lending(self):
            return self.channel.wait_until(done, timeout_s)

    def _request_foreign(self, ids: set[ObjectId]) -> None:
        foreign = [obj for obj in ids if obj not in self._expected]
        if foreign:
            self._expected.update(foreign)
            self.channel.add(ObjectsRequested(foreign))

    def cancel(self, task: TaskId, *, force: bool, recursive: bool) -> None:
        """Ask the node to cancel a task."""
        self.require_open()
        self.channel.add(CancelRequested([task], self._clock.now(), force, recursive, "cellray.cancel()"))
        self.channel.flush()

    def mark(self) -> int:
        """A point in the order of submissions: an index that no task will have."""
        return self.context.take_child()[0]

    def cancel_since(self, mark: int, reason: str) -> int:
        """Cancel unfinished tasks of the running parent with an index above the mark."""
        self.require_open()
        known = self._known
        tasks = {producer_of(obj) for obj in tuple(self._expected) if obj not in known and not is_put(obj)}
        unfinished = [task for task in tasks if self.context.index_of(task) > mark]
        if unfinished:
            self.channel.add(CancelRequested(unfinished, self._clock.now(), False, True, reason))
            self.channel.flush()
        return len(unfinished)

    # -- what a worker needs

    @property
    def client_id(self) -> ClientId:
        """This connection's number at the node."""
        return self.welcome.client_id

    def begin_task(self, task_id: TaskId, cell: Cell | None) -> None:
        """Tasks submitted and objects put from now on are this task's."""
        self.context = SubmitContext(task_id, cell)

    def end_task(self) -> None:
        """Say what the node must know before it gets the task's result.

        With the result it lets go of the arguments: of what the task has kept of them it learns before. And an
        interrupt may have hit between lending the resources out and the wait.
        """
        if self._lending:
            self._lending.clear()
            self.channel.add(WorkerUnblocked(self.welcome.client_id, self._clock.now()))
        self.report_references()

    def load_values(self, objects: Sequence[tuple[ObjectId, ObjectValue]]) -> list[Any]:
        """Values that came with a task."""
        load = self.values.load_argument
        return [load(obj, value) for obj, value in objects]

    def seal_value(self, obj: ObjectId, serialized: Serialized) -> ObjectValue:
        """A task's result as it travels."""
        return self.values.seal(obj, serialized)

    # -- references

    def retain(self, obj: ObjectId) -> None:
        """One reference more in this process."""
        self.references.retain(obj)

    def release(self, obj: ObjectId) -> None:
        """One reference less; safe inside a garbage collection."""
        self.references.release(obj)

    def add_done_callback(self, obj: ObjectId, callback: Callable[[ObjectValue], None]) -> None:
        """Call once the object is known, at once if it is."""
        with self._callback_lock:
            value = self._known.get(obj)
            if value is None:
                self._callbacks.setdefault(obj, []).append(callback)
        if value is not None:
            callback(value)
        else:
            self._request_foreign({obj})
            self.channel.nudge()

    def nudge(self) -> None:
        """There is something to report."""
        if self.channel.is_cold and not self._closed:
            self.channel.nudge()

    @property
    def _has_events(self) -> bool:
        return (
            self.references.has_events or self.views.has_events or self.yielding.has_events or self.streams.has_events
        )

    def report_references(self) -> None:
        """Put what changed in this process's references into the buffer, before whatever is added next."""
        if not (self._has_events or self._reporting.locked()):
            return
        # One thread at a time: else another one could add its fact between our drain and our facts.
        with self._reporting:
            if self.views.has_events:
                self._report_views()
            held, released = self.references.drain() if self.references.has_events else ([], [])
            if held:
                self.channel.add(ObjectsHeld(held))
            # Before what was released: an item was yielded before the generator let go of what is inside.
            for fact in self.yielding.drain() if self.yielding.has_events else ():
                self.channel.add(fact)
            for dropped in self.streams.drain() if self.streams.has_events else ():
                self.channel.add(dropped)
            if released:
                for obj in released:
                    self._known.pop(obj, None)
                    self._expected.discard(obj)
                self.channel.add(ObjectsReleased(released))

    def _report_views(self) -> None:
        """Before the references: a view that goes on keeps its object alive, when the last reference to it goes."""
        held, released = self.views.drain()
        if held:
            self.channel.add(ViewsHeld(held))
        if released:
            self.channel.add(ViewsReleased(released))

    # -- items of generators

    def expect(self, obj: ObjectId) -> None:
        """The object's value comes unasked."""
        self._expected.add(obj)

    def learn(self, objects: list[tuple[ObjectId, ObjectValue]]) -> None:
        """Values that came unasked, of objects that are held."""
        self._known.update(objects)
        if self._callbacks:
            self._run_callbacks(objects)

    def forget(self, obj: ObjectId) -> None:
        """An object that nobody in this process refers to."""
        self._known.pop(obj, None)
        self._expected.discard(obj)

    # -- what the node says

    def _on_commands(self, commands: list[Any]) -> None:
        handlers = self._handlers
        for command in commands:
            handlers[type(command)](command)

    def _on_objects_ready(self, command: ObjectsReady) -> None:
        known, expected = self._known, self._expected
        for obj, value in command.objects:
            if obj in expected:  # else its last reference went while the value was on its way
                known[obj] = value
        if self._callbacks:
            self._run_callbacks(command.objects)

    def _run_callbacks(self, objects: list[tuple[ObjectId, ObjectValue]]) -> None:
        for obj, value in objects:
            with self._callback_lock:
                callbacks = self._callbacks.pop(obj, ())
            for callback in callbacks:
                callback(value)

    def _on_output(self, command: OutputForwarded) -> None:
        for listener in list(self.output_listeners):
            listener(command)

    def _on_warn(self, command: Warn) -> None:
        for listener in list(self.warning_listeners):
            listener(command.message)

    def _on_exit(self, command: Exit) -> None:
        self.channel.end(command.reason)

    def _on_closed(self, reason: str) -> None:
        """Wake everything that waits for objects which will never come."""
        with self._callback_lock:
            waiting, self._callbacks = self._callbacks, {}
        for callbacks in waiting.values():
            for callback in callbacks:
                callback(ObjectValue(0))

    def require_open(self) -> None:
        """Raise SessionLostError when the connection is gone."""
        if self.channel.closed_reason is not None:
            raise self.channel.lost()

    @property
    def is_lost(self) -> bool:
        """Whether the session has ended without us."""
        return self.channel.closed_reason is not None

    def close(self) -> None:
        """Disconnect; references of this engine are names of nothing from now on."""
        self._closed = True
        self.channel.close("cellray.shutdown() was called")
        self._store.close()


class _Lending:
    """While a worker waits, the node lends its resources to other tasks (nested tasks would deadlock otherwise)."""

    __slots__ = ("_engine",)

    def __init__(self, engine: NativeEngine) -> None:
        self._engine = engine

    def __enter__(self) -> None:
        engine = self._engine
        if engine.is_worker:
            is_first = not engine._lending
            engine._lending.add(self)
            if is_first:
                engine.channel.add(WorkerBlocked(engine.welcome.client_id, engine._clock.now()))
                engine.channel.flush()

    def __exit__(self, *_: object) -> None:
        engine = self._engine
        if self in engine._lending:
            engine._lending.discard(self)
            if not engine._lending:
                engine.channel.add(WorkerUnblocked(engine.welcome.client_id, engine._clock.now()))


def _source_of(function: Callable[..., Any]) -> str:
    """The function's source for people; empty where there is none to be had."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""
