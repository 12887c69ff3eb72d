"""Actors over one connection: creating them, calling their methods, finding them by name, ending them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from cellray.engines.pending_calls import PendingCalls
from cellray.engines.templates import template_of
from cellray.errors import CellrayError
from cellray.ids import ActorId, FunctionHash, ObjectId, TemplateId, producer_of
from cellray.model.command import ActorNamed, ActorNamesListed
from cellray.model.fact import ActorKillRequested, ActorNameRequested, ActorNamesRequested
from cellray.model.task import StreamOptions, TaskSpec
from cellray.ports import Created, SubmitOptions

if TYPE_CHECKING:
    from cellray.engines.native import NativeEngine


class PreparedMethod(msgspec.Struct, frozen=True):
    """A method with its options, ready to be called many times; see `Prepared`."""

    template_id: TemplateId
    num_returns: int
    max_pending_calls: int
    stream: StreamOptions | None


class NativeActors:
    """`ports.ActorEngine` of one `NativeEngine`."""

    def __init__(self, engine: NativeEngine) -> None:
        self._engine = engine
        self._pending = PendingCalls(engine)

    def create(
        self, actor_class: type, options: SubmitOptions, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Created:
        """Create an actor; one that has its name already is returned instead.

        Raises SerializationError when the class or an argument cannot be pickled.
        """
        engine = self._engine
        assert options.actor is not None, "the options of an actor"
        prepared = engine.prepare(actor_class, options)
        packed = engine.pack_arguments(actor_class, args, kwargs)
        index, task = engine.context.take_child()
        if options.actor.name:
            answer = self._ask(options.actor.name, options.actor.namespace, ActorId(task))
            if answer.object_id is not None:
                return self._known(answer)
        returns = engine.submit_spec(task, TaskSpec(index, prepared.template_id, *packed), 1)
        return Created(returns[0], prepared.function_hash, options.actor, is_new=True)

    def prepare_method(self, class_hash: FunctionHash, options: SubmitOptions) -> PreparedMethod:
        """The template of a method's calls; the class is in the function table since the actor was created."""
        template = template_of(class_hash, options)
        self._engine.register_template(template)
        return PreparedMethod(template.template_id, options.num_returns, options.max_pending_calls, options.stream)

    def call(
        self, prepared: PreparedMethod, actor: ObjectId, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[ObjectId]:
        """Submit a call. Raises SerializationError when an argument cannot be pickled, PendingCallsLimitExceeded when
        the actor limits how many are under way; nothing is sent then."""
        engine, limit = self._engine, prepared.max_pending_calls
        if limit > 0:
            self._pending.check(actor, limit)
        if args or kwargs:
            payload, dependencies, contained = engine.pack_arguments(None, args, kwargs)
            index, task = engine.context.take_child()
            spec = TaskSpec(index, prepared.template_id, payload, dependencies, (actor, *contained))
        else:
            index, task = engine.context.take_child()
            spec = TaskSpec(index, prepared.template_id, b"", (), (actor,))
        if prepared.stream is not None:
            engine.streams.open(task, prepared.stream)
        returns = engine.submit_spec(task, spec, prepared.num_returns)
        if limit > 0 and returns:
            self._pending.add(actor, returns[0])
        return returns

    def find(self, name: str, namespace: str) -> Created | None:
        """The actor of this name, if there is one; asks the node."""
        answer = self._ask(name, namespace, None)
        return None if answer.object_id is None else self._known(answer)

    def kill(self, actor: ObjectId, *, no_restart: bool) -> None:
        """Ask the node to end an actor."""
        engine = self._engine
        engine.require_open()
        engine.direct.shut(actor)
        engine.channel.add(ActorKillRequested(ActorId(producer_of(actor)), engine.now(), no_restart))
        engine.channel.flush()

    def names(self, *, all_namespaces: bool) -> list[tuple[str, str]]:
        """Namespace and name of each named actor."""
        listed: ActorNamesListed = self._engine.requests.ask(lambda number: ActorNamesRequested(number, all_namespaces))
        return [(namespace, name) for namespace, name in listed.names]

    def _known(self, answer: ActorNamed) -> Created:
        assert answer.object_id is not None
        if answer.template is None or answer.template.actor is None:
            raise CellrayError("the node named an actor without its class")
        # Not adopted: a release of an earlier handle may be on its way, and the node must hear of this one after it.
        self._engine.retain(answer.object_id)
        return Created(answer.object_id, answer.template.function_hash, answer.template.actor, is_new=False)

    def _ask(self, name: str, namespace: str, candidate: ActorId | None) -> ActorNamed:
        answer: ActorNamed = self._engine.requests.ask(
            lambda number: ActorNameRequested(number, name, namespace, candidate)
        )
        return answer
