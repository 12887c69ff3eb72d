"""`@cellray.remote`: functions, exported once per content and submitted with `.remote()`, and classes (`api.actor`)."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from cellray import provenance
from cellray.api import current
from cellray.api.actor import ActorClass
from cellray.api.actor_options import ACTOR_DEFAULTS
from cellray.api.object_ref import ObjectRef
from cellray.api.object_ref_generator import Collecting, ObjectRefGenerator
from cellray.api.options import check_options, check_overrides, resolve_options
from cellray.api.parameters import Parameters, parameters_of
from cellray.api.session import started_engine


class RemoteFunction:
    """A function that runs on the background runtime. `f.remote(...)` returns at once with an ObjectRef.

    The function is pickled at its first call, and again in each later notebook cell that calls it, so that what it
    captures is as it is now; equal content is sent only once.
    """

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        check_options(options)
        self._function = function
        self._options = dict(options)
        self._is_generator = inspect.isgeneratorfunction(function)
        self._parameters = Parameters(parameters_of(function))
        self._check_returns(options.get("num_returns"))
        self._prepared: Any = None
        self._prepared_engine: object = None
        self._prepared_epoch = -1
        functools.update_wrapper(self, function)

    def __call__(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        name = self._function.__name__
        raise TypeError(
            f"Remote functions cannot be called directly. Instead of running '{name}()', try '{name}.remote()'."
        )

    def options(self, **options: Any) -> RemoteFunction:
        """The same function with other options; see `cellray.remote`."""
        check_overrides(options)
        return RemoteFunction(self._function, {**self._options, **options})

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Submit a task; never waits for it. An ObjectRef, or a list of them when `num_returns` is not 1, or an
        ObjectRefGenerator when the function is a generator.

        Top-level ObjectRefs among the arguments arrive as their values. Raises TypeError when the function does not
        take these arguments, SerializationError, naming the argument, when one cannot be pickled.
        """
        parameters = self._parameters
        if kwargs or not parameters.least <= len(args) <= parameters.most:
            parameters.check(_name_of(self._function), args, kwargs)
        engine = current.engine or started_engine()
        epoch = provenance.epoch()
        if self._prepared_engine is not engine or self._prepared_epoch != epoch:
            cell = provenance.current_cell()
            name = _name_of(self._function)
            resolved = resolve_options(self._options, name, cell, is_generator=self._is_generator)
            is_dynamic = self._options.get("num_returns") == "dynamic"
            function = Collecting(self._function) if is_dynamic else self._function
            self._prepared = engine.prepare(function, resolved)
            self._prepared_engine, self._prepared_epoch = engine, epoch
        ids = engine.submit(self._prepared, args, kwargs)
        if len(ids) == 1:
            if self._prepared.stream is not None:
                return ObjectRefGenerator(ObjectRef(ids[0], engine), engine)
            return ObjectRef(ids[0], engine)
        return [ObjectRef(obj, engine) for obj in ids] or None

    def _check_returns(self, num_returns: Any) -> None:
        if num_returns == "dynamic":
            warnings.warn("num_returns='dynamic' is deprecated: use num_returns='streaming'.", DeprecationWarning, 4)
        if num_returns in ("streaming", "dynamic") and not self._is_generator:
            raise ValueError(
                f"num_returns='{num_returns}' can only be used with generator functions (functions that use 'yield'). "
                f"{self._function.__name__} is not a generator function."
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFunction, (self._function, self._options)

    def __repr__(self) -> str:
        return f"RemoteFunction({self._function.__module__}.{self._function.__qualname__})"


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def remote(*args: Any, **options: Any) -> Any:
    """Make a function or class remote: `@remote`, or `@remote(num_cpus=2)` with options.

    Options of functions (defaults as in Ray 2.x): `num_cpus=1`, `num_gpus=0`, `memory=0` (bytes), `resources=None`
    (dict of custom amounts), `num_returns=None` (a number; 1, or "streaming" for generator functions), `max_retries=3`
    (after a crash of the worker; -1 without end), `retry_exceptions=False` (or True, or a list of exception classes),
    `max_calls=None` (so many runs after which the worker's process ends; 1 for tasks with GPUs), `name=None`,
    `_generator_backpressure_num_objects=None` (so many items not taken after which a generator waits).

    Options of classes, whose instances are actors: `num_cpus=0` (1 when other resources are asked for), `num_gpus=0`,
    `memory=0`, `resources=None`, all held as long as the actor lives; `max_restarts=0` and `max_task_retries=0` (after
    a crash of its process; -1 without end), `name=None`, `namespace=None`, `get_if_exists=False`, `lifetime=None` (or
    "detached": it stays when its handles and its driver have gone), `max_concurrency=1`, `recover=None` ("replay":
    after a crash its calls run again, so that it has the state that it had; False: it has none to lose), and
    `checkpoint_every=100` for a class that defines `__checkpoint__(self)` and `__restore__(self, state)` (0: only by
    `actor.__cellray_checkpoint__.remote()`); see `cellray.api.recovery_options`.

    Of both: `accelerator_type=None` (such as "A100"), `runtime_env=None` (what they find around them, see
    `cellray.runtime_env.RuntimeEnv`; what they submit inherits it), `scheduling_strategy=None` ("DEFAULT", "SPREAD", or
    one of `cellray.util.scheduling_strategies`: a placement group, a node).

    Raises TypeError or ValueError for anything else.

        @cellray.remote
        def add(a, b):
            return a + b

        cellray.get(add.remote(1, 2))
    """
    if len(args) == 1 and not options and (callable(args[0]) or isinstance(args[0], RemoteFunction | ActorClass)):
        return _make_remote(args[0], {})
    if args or not options:
        raise TypeError(
            "The @remote decorator is applied without arguments and brackets, '@remote', or with keyword options, "
            "'@remote(num_cpus=2)'."
        )
    if not options.keys() <= ACTOR_DEFAULTS.keys():
        check_options(options)  # not for classes: say what is wrong with it here, where it is written
    return lambda target: _make_remote(target, options)


def _make_remote(target: Any, options: Mapping[str, Any]) -> RemoteFunction | ActorClass:
    if isinstance(target, RemoteFunction | ActorClass):
        kind = "class" if isinstance(target, ActorClass) else "function"
        raise TypeError(f"this {kind} is remote already; use .options() to change its options")
    if inspect.isclass(target):
        return ActorClass(target, options)
    if inspect.iscoroutinefunction(target):
        raise ValueError(
            f"'async def' cannot be used for remote functions ({target.__name__}); use asyncio.run() inside an "
            "ordinary function"
        )
    if not callable(target):
        raise TypeError(f"@remote makes a function remote, not {target!r:.60}")
    return RemoteFunction(target, options)
