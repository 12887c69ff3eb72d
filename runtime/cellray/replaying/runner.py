"""Runs tasks of the past in this process: their function, arguments and seed of then, and what they need besides."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cellray.engines.templates import template_of
from cellray.errors import ReplayError
from cellray.ids import ActorId, FunctionHash, TaskId
from cellray.model.actor import actor_of_call
from cellray.model.history import TaskHistory
from cellray.model.task import TaskSpec, TaskTemplate
from cellray.ports import Engine, SubmitOptions
from cellray.replaying.debugger import Stepper
from cellray.replaying.engine import ReplayEngine
from cellray.replaying.engine_parts import PastActor
from cellray.replaying.functions import function_of
from cellray.replaying.past import Past, name_of, returns_of
from cellray.replaying.surroundings import surrounded
from cellray.replaying.values import PastValues
from cellray.serialization import deserialize_arguments
from cellray.worker.actor_methods import BUILTIN_METHODS

if TYPE_CHECKING:
    from cellray.replaying.actor_states import ActorStates

PLAINLY = Stepper(False)
Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Runner:
    """For one replay; what it makes again stays with it. `states` rebuilds actors."""

    states: ActorStates
    """Set by whoever puts the parts together."""

    def __init__(self, past: Past, live: Engine | None) -> None:
        self.past = past
        self.values = PastValues(past, live)
        self.values.maker = self
        self.engine = ReplayEngine(self)

    def run(self, history: TaskHistory, stepper: Stepper = PLAINLY) -> Any:
        """What the task returns, in this process; the items of a generator as a list. Raises what it raises.

        Raises ReplayError when its function or its arguments cannot be had. The state of an actor is rebuilt up to the
        call; the creation of one gives the instance.
        """
        template = template_in(history)
        instance, actor = None, None
        if template.method:
            actor_id = actor_of_call(history.spec.contained)
            actor = self.actor_of(actor_id)
            instance = self.states.before(actor_id, history.task_id)
        elif template.actor is not None:
            actor = self.actor_of(ActorId(history.task_id))
        return self.run_on(instance, history, actor, stepper)

    def run_on(self, instance: Any, history: TaskHistory, actor: PastActor | None, stepper: Stepper = PLAINLY) -> Any:
        """Run a call on an instance that is there, or any other task."""
        template = template_in(history)
        with self.engine.running(history, actor), surrounded(template.environment, name_of(history)):
            target = method_of(instance, template.method) if template.method else function_of(history)
            args, kwargs = self._arguments(history)
            return stepper.call(target, args, kwargs)

    def run_new(self, task_id: TaskId, function: Callable[..., Any], options: SubmitOptions, given: Arguments) -> Any:
        """Run a task that is not in the log: one that a replayed task submits now and did not submit then."""
        template = template_of(FunctionHash(b""), options)
        spec = TaskSpec(0, template.template_id)
        history = TaskHistory(task_id, TaskId(b""), spec, template, None, 0, 0.0, ())
        with self.engine.running(history, None), surrounded(template.environment, name_of(history)):
            return PLAINLY.call(function, *given)

    def remake(self, history: TaskHistory) -> None:
        """Run a task for the sake of what it returns, yields and puts."""
        template = template_in(history)
        returns = returns_of(history)
        try:
            result = self.run(history)
        except ReplayError:
            raise
        except Exception as error:
            for obj in returns:
                self.values.add_error(obj, error)
            return
        self.values.add_results(history.task_id, len(returns), result, yields=template.stream is not None)

    def actor_of(self, actor_id: ActorId) -> PastActor:
        """An actor as its methods see it."""
        creation = self.past.task(TaskId(actor_id))
        if creation is None or creation.template is None or creation.template.actor is None:
            raise ReplayError(f"the creation of actor {actor_id.hex()} is not in the log: its state cannot be rebuilt")
        return PastActor(actor_id, creation.template.function_hash, creation.template.actor, 0)

    def _arguments(self, history: TaskHistory) -> Arguments:
        spec = history.spec
        self.past.fetch([TaskId(obj[:16]) for obj in spec.dependencies])
        values = []
        for obj in spec.dependencies:
            try:
                values.append(self.values.load(obj))
            except ReplayError as error:
                raise ReplayError(f"{name_of(history)} cannot be replayed: {error}") from error
            except Exception as error:
                raise ReplayError(
                    f"{name_of(history)} never ran: what makes its argument {obj.hex()} had failed "
                    f"({type(error).__name__}). Replay that instead: cellray.replay({obj.hex()!r})."
                ) from error
        return deserialize_arguments(spec.args, values)


def template_in(history: TaskHistory) -> TaskTemplate:
    """The template of a task. Raises ReplayError for what runs no code of the user's, and when it is unknown."""
    if history.template is None:
        raise ReplayError(f"{name_of(history)} cannot be replayed: its options are not in the log any more")
    if history.template.group is not None:
        raise ReplayError(f"{name_of(history)} made a placement group: there is nothing in it to replay")
    return history.template


def method_of(instance: Any, method: str) -> Callable[..., Any]:
    """A method as a worker finds it, those that every actor has included."""
    if method in BUILTIN_METHODS and not hasattr(instance, method):
        builtin = BUILTIN_METHODS[method]
        return lambda *args, **kwargs: builtin(instance, *args, **kwargs)
    found: Callable[..., Any] = getattr(instance, method)
    return found
