"""Running one task: arguments and function to values, results and exceptions back to what travels."""

from __future__ import annotations

import functools
import inspect
import linecache
import math
import os
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from cellray.errors import InternalError, OutputDivergedError, RuntimeEnvSetupError, TaskError
from cellray.ids import ActorId, FunctionHash, ObjectId, TaskId, return_object_id
from cellray.model.actor import ActorOptions
from cellray.model.environment import Environment
from cellray.model.fact import TaskCancelled, TaskFailed, TaskFinished
from cellray.model.object import Failure, ObjectValue, ValueKind, encode_failure
from cellray.model.task import Function, TaskAssignment, TaskTemplate
from cellray.serialization import (
    Serialized,
    collect_references,
    deserialize,
    deserialize_arguments,
    deserialize_function,
    reference_seam,
    serialize,
    serialize_exception,
    serialize_plain,
)
from cellray.worker.actor_exit import ActorRole, Role
from cellray.worker.actor_methods import BUILTIN_METHODS
from cellray.worker.checkpoints import Checkpoints, RestoreFailedError
from cellray.worker.environment import surroundings
from cellray.worker.generators import Items, PartlyReturnedError, seal_some, send_items, send_items_async
from cellray.worker.repeats import Repeats

# A plain integer: looking a member up runs Python code, and each frame's encoder would do so again.
INLINE: Final[int] = ValueKind.INLINE.value
OUR_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


class ExecutionEngine(Protocol):
    """How values come in and go out."""

    environment: Environment
    """What the tasks run in that this worker submits, if they say nothing else."""

    def load_values(self, objects: Sequence[tuple[ObjectId, ObjectValue]]) -> list[Any]:
        """The Python values of objects."""

    def seal_value(self, obj: ObjectId, serialized: Serialized) -> ObjectValue:
        """A serialised value as it travels, written to the store when large."""

    @property
    def yielding(self) -> Items:
        """Where items of generators go."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a task. No tuple with names: one is made for each task, and to make such a tuple takes longer than
    to run an empty one.

    `result` is to be held until the fact is on its way: references in it would otherwise be released before the node
    knows that the returned value contains them.
    """

    fact: TaskFinished | TaskFailed | TaskCancelled
    result: Any = None


class TaskRunner:
    """Runs tasks and keeps what can be kept between them: functions, and how long each template takes."""

    def __init__(self, engine: ExecutionEngine, repeats: Repeats, inline_bytes_max: int) -> None:
        self._engine = engine
        self._inline_bytes_max = inline_bytes_max
        self._repeats = repeats
        self._callables: dict[FunctionHash, Callable[..., Any]] = {}
        self._targets: dict[int, Callable[..., Any]] = {}
        self._instance: Any = None
        self.checkpoints: Checkpoints | None = None
        """Of the actor that this process is, if it recovers."""
        self._seconds: dict[int, float] = {}

    def expected_s(self, template_id: int) -> float:
        """How long the last task of the template took; for ever when none has run yet."""
        return self._seconds.get(template_id, math.inf)

    def run(
        self, task: TaskAssignment, template: TaskTemplate, function: Function, end_output: Callable[[TaskId], None]
    ) -> Outcome:
        """Run the task. What user code raises becomes the fact; only an interrupt passes through."""
        task_id = TaskId(task.task_id)
        started_at = time.time()
        try:
            result = self._call(task, template, function)
            sealed = self._seal(task_id, template, result)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return self._raised(task_id, template, started_at, error, end_output)
        end_output(task_id)
        finished_at = time.time()
        self._seconds[task.template_id] = finished_at - started_at
        return Outcome(TaskFinished(task_id, started_at, finished_at, sealed), result)

    async def run_async(
        self, task: TaskAssignment, template: TaskTemplate, function: Function, end_output: Callable[[TaskId], None]
    ) -> Outcome:
        """As `run`, for an actor with an event loop, on it: waits for what an `async def` method returns."""
        import asyncio  # there already: only such actors need it

        task_id = TaskId(task.task_id)
        started_at = time.time()
        try:
            result = self._call(task, template, function)
            if inspect.iscoroutine(result):  # other awaitables, references above all, are values
                result = await result
            elif inspect.isasyncgen(result):
                items = self._engine.yielding
                result = await send_items_async(items, self._seal_object, task_id, template, result)
            sealed = self._seal(task_id, template, result)
        except asyncio.CancelledError:
            end_output(task_id)
            return Outcome(TaskCancelled(task_id, time.time(), "its coroutine was cancelled"))
        except BaseException as error:
            return self._raised(task_id, template, started_at, error, end_output)
        end_output(task_id)
        return Outcome(TaskFinished(task_id, started_at, time.time(), sealed), result)

    def let_go(self) -> None:
        """The actor is about to end: nothing of ours keeps its instance."""
        self._instance = None
        self._targets.clear()
        if self.checkpoints is not None:
            self.checkpoints.let_go()

    def _call(self, task: TaskAssignment, template: TaskTemplate, function: Function) -> Any:
        target = self._targets.get(template.template_id) or self._target(task, template, function)
        if not task.args:
            return target()
        values = self._engine.load_values(list(zip(task.dependencies, task.values, strict=True)))
        args, kwargs = deserialize_arguments(task.args, values)
        del values
        return target(*args, **kwargs)

    def _raised(
        self,
        task_id: TaskId,
        template: TaskTemplate,
        started_at: float,
        error: BaseException,
        end_output: Callable[[TaskId], None],
    ) -> Outcome:
        if isinstance(error, SystemExit) and self._instance is not None:
            raise error  # an actor may end its process
        end_output(task_id)
        return self._failed(task_id, template, started_at, error)

    def _target(self, task: TaskAssignment, template: TaskTemplate, function: Function) -> Callable[..., Any]:
        """What tasks of the template call: a function, the class of an actor, or a method of the actor that we are."""
        if template.environment and not template.method:
            self._engine.environment = surroundings.take_on(template.environment)
        if template.method in BUILTIN_METHODS and not hasattr(self._instance, template.method):
            target: Callable[..., Any] = functools.partial(BUILTIN_METHODS[template.method], self._instance)
        elif template.method:
            target = getattr(self._instance, template.method)
        elif template.actor is not None:
            Role.actor = ActorRole(ActorId(TaskId(task.task_id)), template, template.actor, task.attempt)
            return functools.partial(self._create, self._callable(function))
        else:
            target = self._callable(function)
        self._targets[template.template_id] = target
        return target

    def _create(self, actor_class: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        self._instance = actor_class(*args, **kwargs)
        if self.checkpoints is not None:
            self.checkpoints.created(self._instance)

    def _callable(self, function: Function) -> Callable[..., Any]:
        known = self._callables.get(function.function_hash)
        if known is None:
            known = deserialize_function(function.pickled)
            _remember_source(known, function.source)
            self._callables[function.function_hash] = known
        return known

    def _seal(self, task_id: TaskId, template: TaskTemplate, result: Any) -> tuple[ObjectValue, ...]:
        count = template.num_returns
        if count == 1 and template.stream is None and not self._repeats.expected:
            # Most results are small and plain: what comes below does the same for them, in four times the time.
            if result is None:
                return NONE_RETURN
            data = serialize_plain(result)
            if data is not None and len(data) <= self._inline_bytes_max:
                return (ObjectValue(INLINE, data),)
        if template.stream is not None:
            send_items(self._engine.yielding, self._seal_object, task_id, template, result)
            return (NONE_VALUE,)
        if count == 1:
            obj = return_object_id(task_id, 0)
            return (self._seal_object(obj, result, f"the return value of {template.name}"),)
        if count == 0:
            return ()
        if inspect.isgenerator(result):
            seal = functools.partial(self._seal_return, task_id, template.name)
            return tuple(seal_some(result, seal, count, template.name))
        try:
            values = list(result)
        except TypeError:
            values = None
        if values is None or len(values) != count:
            got = "something that is no sequence" if values is None else f"{len(values)} values"
            raise ValueError(f"{template.name} has num_returns={count} but returned {got}")
        return tuple(self._seal_return(task_id, template.name, i, value) for i, value in enumerate(values))

    def _seal_return(self, task_id: TaskId, name: str, index: int, value: Any) -> ObjectValue:
        return self._seal_object(return_object_id(task_id, index), value, f"return value {index} of {name}")

    def _seal_object(self, obj: ObjectId, value: Any, name: str) -> ObjectValue:
        sealed = NONE_VALUE if value is None else self._engine.seal_value(obj, serialize(value, name))
        if self._repeats.expected:
            self._repeats.compare(obj, value, sealed, name)
        return sealed

    def _failed(self, task_id: TaskId, template: TaskTemplate, started_at: float, error: BaseException) -> Outcome:
        finished_at = time.time()
        self._seconds[template.template_id] = finished_at - started_at
        if isinstance(error, RuntimeEnvSetupError | OutputDivergedError):
            is_diverged = isinstance(error, OutputDivergedError)
            kind = "output_diverged" if is_diverged else "runtime_env"
            text = str(error) if is_diverged else f"{template.name} cannot run: {error}"
            value = encode_failure(Failure(kind, text))
            summary = f"{type(error).__name__}: {error}"[:200]
            return Outcome(TaskFailed(task_id, started_at, finished_at, value, summary))
        values: tuple[ObjectValue, ...] = ()
        if isinstance(error, PartlyReturnedError):
            values, error = error.values, error.cause
        if isinstance(error, TaskError):
            # An error that came in through `get`: what failed is the task it came from; keep its story, add ours.
            text = f"{error.traceback_text.rstrip()}\n\nreached {template.name} through cellray.get()\n"
        else:
            text = remote_traceback(error)
        if template.actor is not None:
            return Outcome(_not_created(task_id, template.actor, started_at, finished_at, error, text))
        with collect_references() as found:
            data = serialize_exception(error, template.name, task_id.hex(), text)
        summary = f"{type(error).__name__}: {error}".split("\n", 1)[0][:200]
        value = ObjectValue(ValueKind.ERROR, data, contained=tuple(found))
        # Its references, and not the exception itself, whose traceback holds the frames that hold the outcome.
        held = reference_seam.rebuild(tuple(found)) if found else None
        retryable = not template.retry_only or isinstance(error, deserialize(template.retry_only))
        fact = TaskFailed(task_id, started_at, finished_at, value, summary, values=values, retryable=retryable)
        return Outcome(fact, held)


def _not_created(
    task_id: TaskId, options: ActorOptions, started_at: float, finished_at: float, error: BaseException, text: str
) -> TaskFailed:
    """What an actor's calls get whose constructor raised: not the exception itself, which is none of theirs."""
    story = f"The actor of class {options.class_name} is dead: its constructor raised:\n{text.rstrip()}"
    fields = {"actor_id": task_id.hex(), "class_name": options.class_name, "init_failed": "yes"}
    if isinstance(error, RestoreFailedError):
        fields["restore_failed"] = str(error)
    summary = f"{type(error).__name__}: {error}".split("\n", 1)[0][:200]
    value = encode_failure(Failure("actor_died", story, fields))
    return TaskFailed(task_id, started_at, finished_at, value, summary)


NONE_VALUE = ObjectValue(INLINE, serialize(None).to_bytes())
NONE_RETURN: tuple[ObjectValue, ...] = (NONE_VALUE,)


def remote_traceback(error: BaseException) -> str:
    """The traceback as text, with the user's frames only: the runtime's own say nothing, except about our own bugs."""
    story = traceback.TracebackException.from_exception(error)
    if not isinstance(error, InternalError):
        _leave_out_our_frames(story)
    if story.stack:
        return "".join(story.format())
    return "".join(story.format_exception_only())


def _leave_out_our_frames(story: traceback.TracebackException) -> None:
    told: list[traceback.TracebackException | None] = [story]
    for each in told:
        if each is not None:
            users = [frame for frame in each.stack if not frame.filename.startswith(OUR_FOLDER)]
            each.stack = traceback.StackSummary.from_list(users)
            told += [each.__cause__, each.__context__, *(each.exceptions or ())]


def _remember_source(function: Callable[..., Any], source: str) -> None:
    """Let tracebacks show the lines of a function that was typed in a notebook: its file exists only there."""
    code = getattr(function, "__code__", None)
    if code is None or not source or linecache.getlines(code.co_filename):
        return
    lines = ["\n"] * (code.co_firstlineno - 1) + source.splitlines(keepends=True)
    linecache.cache[code.co_filename] = (len(source), None, lines, code.co_filename)
