"""Methods of actors, as their handles show them, and what all calls of one actor share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from cellray import provenance
from cellray.api import current
from cellray.api.method_options import check_method_options, resolve_method_options
from cellray.api.object_ref import ObjectRef
from cellray.api.object_ref_generator import ObjectRefGenerator
from cellray.api.parameters import Parameters, parameters_from
from cellray.api.session import started_engine
from cellray.ids import FunctionHash
from cellray.model.actor import ActorOptions
from cellray.ports import Engine

NO_OPTIONS: Mapping[str, Any] = {}


class CalledActor:
    """An actor that is called. Methods keep this and not their handle, so that handles can keep their methods."""

    __slots__ = ("_prepared", "class_hash", "methods", "options", "ref")

    def __init__(self, ref: ObjectRef, class_hash: FunctionHash, options: ActorOptions) -> None:
        self.ref = ref
        self.class_hash = class_hash
        self.options = options
        self.methods = {method.name: method.parameters for method in options.methods}
        self._prepared: dict[Any, tuple[int, Any, Parameters]] = {}

    def prepare(self, engine: Engine, name: str, options: Mapping[str, Any]) -> tuple[int, Any, Parameters]:
        """The epoch that it is for, what the engine wants to have of a method, and what the method takes."""
        epoch = provenance.epoch()
        key: Any = (name, *map(_hashable, options.items()))
        known = self._prepared.get(key)
        if known is None or known[0] != epoch:
            resolved = resolve_method_options(self.options, name, options, provenance.current_cell())
            prepared = engine.actors.prepare_method(self.class_hash, resolved)
            known = self._prepared[key] = (epoch, prepared, parameters_from(self.methods.get(name)))
        return known


def _hashable(option: tuple[str, Any]) -> tuple[str, Any]:
    return (option[0], tuple(option[1])) if isinstance(option[1], list) else option


class ActorMethod:
    """A method of an actor. `handle.method.remote(...)` returns at once with an ObjectRef."""

    __slots__ = ("_actor", "_known", "_name", "_options")

    def __init__(self, actor: CalledActor, name: str, options: Mapping[str, Any]) -> None:
        self._actor = actor
        self._name = name
        self._options = options
        self._known: tuple[int, Any, Parameters] = NOT_PREPARED

    def __call__(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError(
            f"Actor methods cannot be called directly. Instead of running 'object.{self._name}()', try "
            f"'object.{self._name}.remote()'."
        )

    def options(self, **options: Any) -> ActorMethod:
        """The same method with other options: `num_returns`, `name`, `max_task_retries`, `retry_exceptions`,
        `concurrency_group`."""
        check_method_options(options)
        return ActorMethod(self._actor, self._name, {**self._options, **options})

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Call the method; never waits for it. An ObjectRef, or a list of them when `num_returns` is not 1, or an
        ObjectRefGenerator when the method is a generator.

        Calls of one process run in the order in which they were made, also when an argument of an earlier one comes
        late. Raises TypeError when the method does not take these arguments, SerializationError, naming the
        argument, when one cannot be pickled.
        """
        engine = current.engine or started_engine()
        actor = self._actor
        ref = actor.ref
        if ref._engine is not engine:
            raise ref.lost()
        if self._known[0] != provenance.epoch():
            self._known = actor.prepare(engine, self._name, self._options)
        _, prepared, parameters = self._known
        if kwargs or not parameters.least <= len(args) <= parameters.most:
            parameters.check(f"{actor.options.class_name}.{self._name}", args, kwargs)
        ids = engine.actors.call(prepared, ref._id, args, kwargs)
        if len(ids) == 1:
            if prepared.stream is not None:
                return ObjectRefGenerator(ObjectRef(ids[0], engine), engine)
            return ObjectRef(ids[0], engine)
        return [ObjectRef(obj, engine) for obj in ids] or None

    def __repr__(self) -> str:
        return f"ActorMethod({self._actor.options.class_name}.{self._name})"


NOT_PREPARED = (-1, None, Parameters(None))
