"""Remote classes, and handles of the actors made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from cellray import provenance
from cellray.api.actor_method import NO_OPTIONS, ActorMethod, CalledActor
from cellray.api.actor_options import check_actor_options, resolve_actor_options
from cellray.api.method_options import (
    ACTOR_METHOD_MARK,
    BUILTIN_METHODS,
    CLASS_METHOD_OPTIONS,
    check_method_options,
    method_table,
    no_such_method,
)
from cellray.api.object_ref import ObjectRef
from cellray.api.parameters import Parameters, parameters_of
from cellray.api.session import check_namespace, started_engine
from cellray.errors import ActorAlreadyExistsError, ActorHandleNotFoundError
from cellray.ids import FunctionHash
from cellray.model.actor import ActorOptions
from cellray.ports import Created


class ActorClass:
    """A class whose instances are actors: each lives in a process of its own and runs its calls one after another.

    `C.remote(...)` returns at once with a handle. Made by `@cellray.remote`.
    """

    def __init__(self, actor_class: type, options: Mapping[str, Any]) -> None:
        check_actor_options(options)
        self._class = actor_class
        self._options = dict(options)
        self._methods = method_table(actor_class)
        self._parameters = Parameters(parameters_of(actor_class))
        self.__name__ = actor_class.__name__
        self.__qualname__ = actor_class.__qualname__
        self.__module__ = actor_class.__module__
        self.__doc__ = actor_class.__doc__

    def __call__(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError(
            f"Actors cannot be instantiated directly. Instead of '{self.__name__}()', use '{self.__name__}.remote()'."
        )

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[type, ...]:
        # `class B(A)` with a remote A inherits from the class itself; B is remote if it is decorated too.
        return (self._class,)

    def options(self, **options: Any) -> ActorClass:
        """The same class with other options; see `cellray.remote`."""
        check_actor_options(options)
        if "concurrency_groups" in options:
            raise ValueError("Setting 'concurrency_groups' is not supported in '.options()'; set it at @remote.")
        return ActorClass(self._class, {**self._options, **options})

    def remote(self, *args: Any, **kwargs: Any) -> ActorHandle:
        """Create an actor; its constructor runs in its own process, and calls wait for it.

        The actor ends when its last handle goes, unless `lifetime="detached"`. Raises TypeError when the constructor
        does not take these arguments, ValueError when the name is taken, SerializationError, naming the argument, when
        one cannot be pickled.
        """
        engine = started_engine()
        self._parameters.check(self.__name__, args, kwargs)
        options = resolve_actor_options(self._options, self._class, self._methods, provenance.current_cell())
        created = engine.actors.create(self._class, options, args, kwargs)
        handle = ActorHandle(ObjectRef(created.object_id, engine), created.class_hash, created.options)
        actor = created.options
        if not created.is_new and not self._options.get("get_if_exists"):
            raise ActorAlreadyExistsError(
                f"The name {actor.name} (namespace={actor.namespace or None}) is already taken. Please use a different "
                f"name or get the existing actor using cellray.get_actor('{actor.name}')"
            )
        return handle

    def __reduce__(self) -> tuple[Any, ...]:
        return ActorClass, (self._class, self._options)

    def __repr__(self) -> str:
        return f"ActorClass({self.__name__})"


class ActorHandle:
    """An actor: `handle.method.remote(...)` calls it. Can be passed to tasks and actors and stored in objects.

    As long as one exists anywhere, the actor lives.
    """

    def __init__(self, ref: ObjectRef, class_hash: FunctionHash, options: ActorOptions) -> None:
        self._cellray_ref = ref
        self._cellray_class_hash = class_hash
        self._cellray_options = options
        self._cellray_actor = CalledActor(ref, class_hash, options)

    def __getattr__(self, name: str) -> ActorMethod:
        if name.startswith("_cellray") or "_cellray_actor" not in self.__dict__:
            raise AttributeError(name)  # half made, by copy or pickle
        actor = self._cellray_actor
        if name in actor.methods or name in BUILTIN_METHODS:
            # Found without us from now on. It does not keep the handle, and so it keeps the actor no longer than that.
            method = self.__dict__[name] = ActorMethod(actor, name, NO_OPTIONS)
            return method
        raise no_such_method(self._cellray_options, name)

    def __dir__(self) -> list[str]:
        return sorted(self._cellray_actor.methods)

    @property
    def _actor_id(self) -> bytes:
        # Ray's programs print `handle._actor_id.hex()`.
        return self._cellray_ref.task_id()

    def __hash__(self) -> int:
        return hash(self._cellray_ref)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorHandle) and other._cellray_ref == self._cellray_ref

    def __reduce__(self) -> tuple[Any, ...]:
        return ActorHandle, (self._cellray_ref, self._cellray_class_hash, self._cellray_options)

    def __repr__(self) -> str:
        return f"Actor({self._cellray_options.class_name}, {self._cellray_ref.task_id().hex()})"


def method(*args: Any, **options: Any) -> Any:
    """Options of an actor's method, in its class: `num_returns`, `max_task_retries`, `retry_exceptions`,
    `concurrency_group`, `read_only`.

    A method that is `read_only=True` leaves the actor's state as it is: its calls are not run again when the state of
    an actor with `recover` is rebuilt, and do not count for `checkpoint_every`.

    @cellray.remote
    class Splitter:
        @cellray.method(num_returns=2)
        def halves(self, items):
            return items[::2], items[1::2]
    """
    if len(args) == 1 and callable(args[0]) and not options:
        return args[0]
    if args:
        raise TypeError("@method is applied with keyword options, such as '@cellray.method(num_returns=2)'.")
    check_method_options(options, CLASS_METHOD_OPTIONS)

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(function, ACTOR_METHOD_MARK, dict(options))
        return function

    return mark


def get_actor(name: str, namespace: str | None = None) -> ActorHandle:
    """The handle of a named actor, of this driver's job unless `namespace` says which.

    Raises ValueError when there is none of this name.
    """
    if not isinstance(name, str) or not name:
        raise ValueError("Please supply a non-empty value to get_actor")
    check_namespace(namespace)
    engine = started_engine()
    found: Created | None = engine.actors.find(name, namespace or "")
    if found is None:
        raise ValueError(
            f"Failed to look up actor with name '{name}'. This could be because 1. You are trying to look up a named "
            "actor you didn't create. 2. The named actor died. 3. You did not use a namespace matching the namespace "
            "of the actor."
        )
    return ActorHandle(ObjectRef(found.object_id, engine), found.class_hash, found.options)


def list_named_actors(all_namespaces: bool = False) -> list[Any]:
    """Names of the actors in this driver's namespace; of all, as dicts of `name` and `namespace`, if that is asked."""
    names = started_engine().actors.names(all_namespaces=all_namespaces)
    if all_namespaces:
        return [{"name": name, "namespace": namespace} for namespace, name in names]
    return [name for _, name in names]


def kill(actor: ActorHandle, *, no_restart: bool = True) -> None:
    """End an actor at once, with its process; calls under way and later ones raise ActorDiedError.

    With `no_restart=False` its process is killed as by a crash, and `max_restarts` decides.
    """
    if not isinstance(actor, ActorHandle):
        raise ValueError(
            f"cellray.kill() only supported for actors. For tasks, try cellray.cancel(). Got: {type(actor)}."
        )
    ref = actor._cellray_ref
    engine = started_engine()
    if not ref.belongs_to(engine):
        raise ActorHandleNotFoundError(f"{actor!r} is of a session that has ended, and its process with it.")
    engine.actors.kill(ref._id, no_restart=no_restart)
