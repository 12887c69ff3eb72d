"""The engine of this runtime: the public verbs over one channel to the node. Drivers and workers use the same one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from cellray import provenance
from cellray.client.channel import Channel
from cellray.client.connect import Connected
from cellray.clock import SystemClock
from cellray.config import Config
from cellray.engines.actors import NativeActors
from cellray.engines.context import SharedContext, SubmitContext
from cellray.engines.direct_calls import DirectCalls
from cellray.engines.faults import NativeFaults
from cellray.engines.holdings import Holdings
from cellray.engines.lending import Lending, Lent
from cellray.engines.objects import NativeObjects
from cellray.engines.placement_groups import NativeGroups
from cellray.engines.requests import Requests
from cellray.engines.resolver import Action, Resolver
from cellray.engines.runtime import NativeRuntime
from cellray.engines.streams import NativeStreams
from cellray.engines.templates import template_of
from cellray.engines.values import Values
from cellray.engines.yielding import Yielding
from cellray.ids import (
    RETURN_0,
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
    ActorNamesListed,
    Exit,
    FaultDone,
    ItemsRead,
    ItemsReady,
    NodeStateTold,
    ObjectsReady,
    OutputForwarded,
    ReaderLeft,
    RecallViews,
    SpaceGranted,
    TaskDescribed,
    ViewsGranted,
    Warn,
)
from cellray.model.environment import NOTHING
from cellray.model.fact import (
    CancelRequested,
    FunctionRegistered,
    NodeStateRequested,
    TaskRequested,
    TemplateRegistered,
)
from cellray.model.node import NodeState
from cellray.model.object import Failure, ObjectValue, encode_failure
from cellray.model.placement import Placement
from cellray.model.task import Function, StreamOptions, TaskSpec, TaskTemplate
from cellray.ports import ObjectStore, SubmitOptions
from cellray.serialization import (
    STORED_ARGUMENTS,
    Serialized,
    collect_references,
    serialize_arguments,
    serialize_function,
)

OutputListener = Callable[[OutputForwarded], None]


class Prepared(msgspec.Struct, frozen=True):
    """A function exported with its options, ready to be submitted many times. Fields are read at each submission, which
    takes three times as long in a tuple with names."""

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
        self.context: SubmitContext | SharedContext = SubmitContext(connected.welcome.root_task_id, None, None)
        self._lost_listeners: list[Callable[[], None]] = []
        self.last_submitted: TaskId | None = None
        self.node_id: str = connected.welcome.node_id
        self.environment = NOTHING
        self.placement: Placement | None = None
        self.output_listeners: list[OutputListener] = []
        self.warning_listeners: list[Callable[[str], None]] = []
        self.close_listeners: list[Callable[[], None]] = []
        self._store = store
        self._clock = SystemClock()
        self._resolver = Resolver()
        self._flush_is_coming = False
        self._functions: set[FunctionHash] = set()
        self._templates: set[int] = set()
        holdings = self._holdings = Holdings(self._get_channel, self._clock)
        self.references = holdings.references
        is_worker = role == "worker"
        self._lending = Lending(self._get_channel, self.client_id, self._clock) if is_worker else None
        self.values = Values(
            self._get_channel, store, holdings.views, holdings.report, config.inline_bytes_max, self._lending
        )
        self.objects = NativeObjects(self, self.values, self._lending)
        self.requests = Requests(self)
        self.runtime = NativeRuntime(self, is_worker=is_worker)
        self.direct = DirectCalls(self, 0 if is_worker else config.direct_calls_after)
        self.actors = NativeActors(self)
        self.streams = NativeStreams(self, holdings.dropped)
        self.yielding = Yielding(self._get_channel, holdings.yielded, self._lending, config.submit_batch_max)
        self.groups = NativeGroups(self)
        self.faults = NativeFaults(self)
        # The verbs that are called most, each bound once: a hop less for every call.
        self.put = self.objects.put
        self.get = self.objects.get
        self.get_one = self.objects.get_one
        self.wait = self.objects.wait
        self.look = self.objects.look
        self.resolved = self.objects.resolved
        self.load_into = self.values.load_into
        self.retain = self.references.retain
        self.retain_all = self.references.retain_all
        self.release = self.references.release
        self.add_done_callback = self.objects.add_done_callback
        self._handlers: dict[type, Callable[[Any], None]] = {
            ObjectsReady: self.objects.on_ready,
            SpaceGranted: self.values.on_granted,
            ViewsGranted: holdings.views.on_granted,
            RecallViews: holdings.views.on_recalled,
            OutputForwarded: self._on_output,
            Warn: self._on_warn,
            Exit: self._on_exit,
            ActorNamed: self.requests.on_answer,
            ActorNamesListed: self.requests.on_answer,
            TaskDescribed: self.requests.on_answer,
            ItemsReady: self.streams.on_ready,
            ItemsRead: self.yielding.on_read,
            ReaderLeft: self.streams.on_left,
            NodeStateTold: self.requests.on_answer,
            FaultDone: self.requests.on_answer,
            **(handlers or {}),
        }
        self.channel: Channel = Channel(
            connected.connection,
            on_commands=self._on_commands,
            on_closed=self._on_closed,
            before_flush=holdings.report,
            has_more=holdings.has_news,
            flush_ms=config.submit_flush_ms,
            batch_max=config.submit_batch_max,
            frame_bytes_max=config.frame_bytes_max,
        )
        self.report_holdings = holdings.report
        self.end_lingering_views = holdings.end_lingering_views
        holdings.open(self.objects.forget, self.streams.close)

    def _get_channel(self) -> Channel:
        return self.channel

    # -- submitting

    def prepare(self, function: Callable[..., Any], options: SubmitOptions) -> Prepared:
        """Export the function as it is now; nothing is sent for content that the node has already."""
        with collect_references() as captured:
            pickled = serialize_function(function)
        hashed = function_hash(pickled)
        if hashed not in self._functions:
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
            self._functions.add(hashed)  # now: another thread that finds it here submits at once
        template = template_of(hashed, options)
        self.register_template(template)
        return Prepared(template.template_id, options.num_returns, function, hashed, options.stream)

    def register_template(self, template: TaskTemplate) -> None:
        """Tell the node of a template, once."""
        if template.template_id not in self._templates:
            self.channel.add(TemplateRegistered(template, self._clock.now()))
            self._templates.add(template.template_id)
            self.direct.learn(template)

    def submit(self, prepared: Prepared, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[ObjectId]:
        """Submit one task. Raises SerializationError when an argument cannot be pickled; nothing is sent then."""
        context = self.context
        if self.channel.closed_reason is not None:
            self.require_open()
        if args or kwargs:
            packed = self.pack_arguments(prepared.function, args, kwargs)
            index, task = context.take_child()
            spec = TaskSpec(index, prepared.template_id, *packed)
        else:
            index, task = context.take_child()
            spec = TaskSpec(index, prepared.template_id)
        if prepared.stream is not None:
            self.streams.open(task, prepared.stream)
        return self.submit_spec(task, spec, prepared.num_returns)

    def submit_spec(self, task: TaskId, spec: TaskSpec, num_returns: int) -> list[ObjectId]:
        """Submit a task that took its place in the order of submissions before."""
        if self.channel.closed_reason is not None:
            self.require_open()
        if num_returns == 1:
            obj: ObjectId = task + RETURN_0  # type: ignore[assignment]
            self.references.adopt_one(obj)
            self.objects.expected.add(obj)
            returns = [obj]
        else:
            returns = return_object_ids(task, num_returns)
            self.references.adopt(returns)
            self.objects.expected.update(returns)
        self.channel.add_task(self.context.task_id, spec)
        self.last_submitted = task
        return returns

    def node_state(self) -> NodeState:
        """Ask the node what there is."""
        told: NodeStateTold = self.requests.ask(NodeStateRequested)
        return told.state

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
        stored = self.objects.put_serialized(payload)
        # The task holds what it depends on; our own count is not needed once the task is on its way.
        self.references.release(stored)
        return STORED_ARGUMENTS, (*dependencies, stored), ()

    # -- cancelling

    def cancel(self, task: TaskId, *, force: bool, recursive: bool) -> None:
        """Ask the node to cancel a task."""
        self.require_open()
        self.channel.add(CancelRequested([task], self._clock.now(), force, recursive, "cellray.cancel()"))
        self.channel.flush()

    def is_call(self, task: TaskId) -> bool:
        """Whether the task is a call of an actor that has not ended; asks the node."""
        return self.describe(task).is_call

    def describe(self, task: TaskId) -> TaskDescribed:
        """What the node knows of a task."""
        answer: TaskDescribed = self.requests.ask(lambda number: TaskRequested(number, task))
        return answer

    def mark(self) -> int:
        """A point in the order of submissions: an index that no task will have."""
        return self.context.take_child()[0]

    def cancel_since(self, mark: int, reason: str) -> int:
        """Cancel unfinished tasks of the running parent with an index above the mark."""
        self.require_open()
        known = self.objects.resolved
        tasks = {producer_of(obj) for obj in tuple(self.objects.expected) if obj not in known and not is_put(obj)}
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

    @property
    def current_task_id(self) -> TaskId:
        """The task that the running thread or coroutine belongs to; the driver's root task."""
        return self.context.task_id

    def awaiting(self) -> Lent:
        """Around a coroutine's wait: lends out what the task or the actor holds, if it holds anything."""
        holds = self._lending is not None and bool(self.runtime.held())
        return Lent(self._lending if holds else None)

    @property
    def task_here(self) -> SubmitContext:
        """The context of the running thread or coroutine."""
        return self.context.here

    def begin_task(self, task_id: TaskId, template: TaskTemplate, function: Function) -> SubmitContext:
        """Tasks submitted and objects put from now on are this task's."""
        self.context = context = SubmitContext(task_id, template, function)
        if template.placement is not self.placement and not template.method:
            self.placement = template.placement
            provenance.begin_epoch()  # what this one submits may have to run elsewhere than what was submitted before
        return context

    def end_task(self) -> None:
        """Say what the node must know before it gets the task's result.

        With the result it lets go of the arguments: of what the task has kept of them it learns before.
        """
        if self._lending is not None:
            self._lending.end_all()
        self._holdings.report()

    def share_context(self) -> None:
        """From now on several calls are under way, each in a thread or coroutine of its own; the actor is created."""
        self.context = SharedContext(self.context.here)

    def enter_call(self, task_id: TaskId, template: TaskTemplate, function: Function) -> SubmitContext:
        """As `begin_task`, for the running thread or coroutine only."""
        assert isinstance(self.context, SharedContext), "`share_context` comes first"
        return self.context.enter(task_id, template, function)

    def end_call(self) -> None:
        """As `end_task`, for one of several calls: what others have lent stays lent."""
        self._holdings.report()

    def load_values(self, objects: Sequence[tuple[ObjectId, ObjectValue]]) -> list[Any]:
        """Values that came with a task."""
        load = self.values.load_argument
        return [load(obj, value) for obj, value in objects]

    def seal_value(self, obj: ObjectId, serialized: Serialized) -> ObjectValue:
        """A task's result as it travels."""
        return self.values.seal(obj, serialized, is_result=True)

    def flush_soon(self) -> None:
        """For whoever waits without a thread that does: one flush for all that was added meanwhile."""
        if not self._flush_is_coming:
            self._flush_is_coming = True
            self._resolver.run(self._flush)

    def _flush(self) -> None:
        self._flush_is_coming = False
        self.channel.flush()

    def run_later(self, action: Action) -> None:
        """Run it soon on a thread that may wait for the node."""
        self._resolver.run(action)

    # -- what the node says

    def _on_commands(self, commands: list[Any]) -> None:
        handlers = self._handlers
        for command in commands:
            handlers[type(command)](command)

    def _on_output(self, command: OutputForwarded) -> None:
        for listener in list(self.output_listeners):
            listener(command)

    def _on_warn(self, command: Warn) -> None:
        for listener in list(self.warning_listeners):
            listener(command.message)

    def _on_exit(self, command: Exit) -> None:
        self.channel.end(command.reason)

    def _on_closed(self, reason: str) -> None:
        lost = encode_failure(Failure("session_lost", str(self.channel.lost())))
        self.objects.on_closed(lost)
        self._holdings.views.on_closed(lost)
        for listener in list(self._lost_listeners):
            listener()

    def when_lost(self, listener: Callable[[], None]) -> None:
        """Call `listener`, on any thread, when the connection is gone; at once if it is. It may be called twice."""
        self._lost_listeners.append(listener)
        if self.is_lost:
            listener()

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
        self._holdings.close()
        self.direct.close()
        self.channel.close("cellray.shutdown() was called")
        self._resolver.close()
        self._store.close()
        for listener in self.close_listeners:
            listener()


def _source_of(function: Callable[..., Any]) -> str:
    """The function's source for people; empty where there is none to be had."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""
