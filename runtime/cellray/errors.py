"""All exceptions a user can meet, with the names of Ray's public exceptions under our own root.

    CellrayError
    ├── TaskError                        user code raised; also an instance of what it raised
    ├── TaskCancelledError
    ├── TaskUnschedulableError           asks for more than any node has
    ├── TaskPlacementGroupRemoved
    ├── WorkerCrashedError               the worker's process died; signal and last output lines are in it
    ├── OutOfMemoryError                 (MemoryError) the worker was ended because memory ran out
    ├── NodeDiedError
    ├── RuntimeEnvSetupError
    ├── ActorError                       a call of an actor could not be carried out
    │   ├── ActorDiedError               the actor is gone for good; says why
    │   └── ActorUnavailableError        its process died in the call, and it is restarting
    ├── ActorUnschedulableError
    ├── ActorPlacementGroupRemoved
    ├── ActorAlreadyExistsError          (ValueError) the name is taken
    ├── ActorHandleNotFoundError         (ValueError) the handle is of a session that has ended
    ├── AsyncioActorExit                 how an async actor ends itself
    ├── PendingCallsLimitExceeded
    ├── GetTimeoutError                  (TimeoutError)
    ├── ObjectLostError                  and the chain of reasons
    │   ├── ObjectFreedError
    │   ├── OwnerDiedError
    │   └── ObjectReconstructionFailedError
    ├── OutputDivergedError              a task that ran again gave another value, and that was to be an error
    ├── ReplayError                      a task or actor cannot be replayed; says why, step by step
    ├── ObjectStoreFullError             (MemoryError)
    ├── OutOfDiskError
    ├── SpillError                       inside the node: users meet ObjectStoreFullError or ObjectLostError instead
    ├── SerializationError               (TypeError) names the variable and why
    ├── UnserializableException          stands for an exception that could not be sent or rebuilt
    ├── SessionError                     the background runtime could not be started, found or reached
    │   ├── SessionStartError
    │   ├── SessionLostError             (ConnectionError) it was there and is gone
    │   └── GcsUnavailableError          (ConnectionError) the Redis server does not answer
    ├── LogError                         an event log, or a part of it, cannot be read
    │   └── LogVersionError              a newer version wrote it
    └── InternalError                    our own bug

Fields hold facts; `str()` renders them and ends with what the user can do.
"""

from __future__ import annotations

import pickle
from typing import Any

from cellray.ids import TaskId, short_task_id


class CellrayError(Exception):
    """Root of everything that Cellray raises on its own account."""


class TaskError(CellrayError):
    """A task's code raised. `get` raises a class that is both this and the original exception's class.

    `cause` is the original exception, `traceback_text` its remote traceback, `function_name` and `task_id` (hex) say
    where. Source of the semantics: Ray's RayTaskError.
    """

    def __init__(self, function_name: str, task_id: str, traceback_text: str, cause: BaseException) -> None:
        # Not super(): in a class that is `cause`'s class too, that would be a constructor of the user's.
        Exception.__init__(self, function_name, task_id, traceback_text, cause)
        self.function_name = function_name
        self.task_id = task_id
        self.traceback_text = traceback_text
        self.cause = cause

    @property
    def traceback_str(self) -> str:
        """Ray's name for `traceback_text`."""
        return self.traceback_text

    def __str__(self) -> str:
        task = short_task_id(TaskId(bytes.fromhex(self.task_id)))
        return f"{self.function_name} (task {task}) raised remotely:\n{self.traceback_text.rstrip()}"

    def __reduce__(self) -> tuple[Any, ...]:
        story = (self.function_name, self.task_id, self.traceback_text)
        try:
            pickle.loads(pickle.dumps(self.cause))
        except Exception:
            # Made by its class without the constructor, which wants other arguments than the exception's `args`.
            return _rebuild, (*story, type(self.cause), self.cause.args, vars(self.cause))
        return TaskError, (*story, self.cause)

    def as_instanceof_cause(self) -> TaskError:
        """This error as an instance of its cause's class too, so that `except ValueError` catches it."""
        cause_class = type(self.cause)
        if isinstance(self, cause_class) or issubclass(cause_class, CellrayError):
            return self
        if not issubclass(cause_class, Exception):
            return self  # as SystemExit it would end the driver, silently
        try:
            dual_class = _dual_class(cause_class)
            dual = dual_class.__new__(dual_class, *self.cause.args)
            # What the builtin classes keep outside of `__dict__`, such as `UnicodeDecodeError.start`.
            builtin: Any = next(base for base in cause_class.__mro__ if base.__module__ == "builtins")
            builtin.__init__(dual, *self.cause.args)
            TaskError.__init__(dual, self.function_name, self.task_id, self.traceback_text, self.cause)
            dual.args = self.cause.args
            dual.__dict__.update(
                {k: v for k, v in vars(self.cause).items() if k not in vars(self) and not k.startswith("__")}
            )
        except Exception:
            # Some classes (final ones, exotic layouts) cannot be a base or made without their own arguments.
            return self
        return dual


def _dual_class(cause_class: type[BaseException]) -> type[TaskError]:
    """A class that is TaskError and `cause_class` in one; made once for each cause."""
    known = _dual_classes.get(cause_class)
    if known is None:
        members = {
            "__str__": TaskError.__str__,
            "__reduce__": TaskError.__reduce__,
            "__doc__": TaskError.__doc__,
        }
        known = type(f"TaskError({cause_class.__name__})", (TaskError, cause_class), members)
        known.__module__ = TaskError.__module__
        _dual_classes[cause_class] = known
    return known


def _rebuild(
    function_name: str,
    task_id: str,
    traceback_text: str,
    cause_class: type[BaseException],
    cause_args: tuple[Any, ...],
    cause_state: dict[str, Any],
) -> TaskError:
    cause = cause_class.__new__(cause_class, *cause_args)
    cause.args = cause_args
    cause.__dict__.update(cause_state)
    return TaskError(function_name, task_id, traceback_text, cause)


_dual_classes: dict[type[BaseException], type[TaskError]] = {}


class TaskCancelledError(CellrayError):
    """The task was cancelled, by `cancel`, by interrupting its cell, or with its driver. `task_id` (hex) says which."""

    task_id: str = ""


class TaskUnschedulableError(CellrayError):
    """The task asks for resources that no node of this session has."""


class TaskPlacementGroupRemoved(CellrayError):
    """The placement group that the task was to run in was removed."""


class WorkerCrashedError(CellrayError):
    """The worker's process died while it ran the task, and no retries were left."""


class OutOfMemoryError(CellrayError, MemoryError):
    """The worker was ended because the machine ran out of memory."""


class NodeDiedError(CellrayError):
    """The node that ran the task, or was to run it, is gone."""


class RuntimeEnvSetupError(CellrayError):
    """The `runtime_env` of the task or actor could not be set up."""


class ActorError(CellrayError):
    """A call of an actor could not be carried out. `actor_id` (hex) and `class_name` say whose."""

    actor_id: str = ""
    class_name: str = ""
    init_failed: str = ""

    @property
    def actor_init_failed(self) -> bool:
        """Whether the actor is dead because its constructor raised."""
        return bool(self.init_failed)

    @property
    def error_msg(self) -> str:
        """What `str()` says, under Ray's name."""
        return str(self)


class ActorDiedError(ActorError):
    """The actor is dead and stays so: its constructor raised, it was killed, it left, or its process crashed."""


class ActorUnavailableError(ActorError):
    """The actor's process died while it had the call, which may have run; the actor restarts and takes new calls."""


class ActorUnschedulableError(CellrayError):
    """The actor asks for what no node of this session has."""


class ActorPlacementGroupRemoved(CellrayError):
    """The placement group that the actor lived in was removed."""


class ActorAlreadyExistsError(CellrayError, ValueError):
    """Another actor has this name."""


class ActorHandleNotFoundError(CellrayError, ValueError):
    """The handle is of a session that has ended."""


class AsyncioActorExit(CellrayError):
    """What `exit_actor()` raises in an async actor, to end it."""


class PendingCallsLimitExceeded(CellrayError):
    """The caller has more calls of the actor under way than `max_pending_calls` allows."""


class GetTimeoutError(CellrayError, TimeoutError):
    """`get` did not have all values within its timeout; the tasks go on."""


class ObjectLostError(CellrayError):
    """The object's value is gone and could not be rebuilt. `object_id` (hex) says which."""

    object_id: str = ""

    @property
    def object_ref_hex(self) -> str:
        """Ray's name for `object_id`."""
        return self.object_id


class ObjectFreedError(ObjectLostError):
    """The object was freed by hand."""


class OwnerDiedError(ObjectLostError):
    """The process that owned the object died, and the object with it."""


class ObjectReconstructionFailedError(ObjectLostError):
    """The object was lost, and running the task again that had made it is not possible."""


class OutputDivergedError(CellrayError):
    """A task that ran again gave another value than the first time (with `CELLRAY_DIVERGENCE_IS_ERROR=1`)."""


class ReplayError(CellrayError):
    """A task cannot be run again, or the state of an actor not be rebuilt, in this process; says why, step by step."""


class ObjectStoreFullError(CellrayError, MemoryError):
    """There is no room for the object in shared memory."""


class OutOfDiskError(CellrayError):
    """There is no room for the object, neither in shared memory nor on disk."""


class SpillError(CellrayError):
    """An object could not be moved to disk, or not be read back."""


class SerializationError(CellrayError, TypeError):
    """A value cannot be pickled; `name` is the variable or place that holds the culprit, `reason` says why."""

    def __init__(self, name: str, reason: str, advice: str = "") -> None:
        super().__init__(name, reason, advice)
        self.name = name
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        text = f"{self.name} cannot be sent to a worker: {self.reason}"
        return f"{text}\n{self.advice}" if self.advice else text


class UnserializableException(CellrayError):
    """Stands for an exception that could not be sent from the task: its type's name, its message, and why not."""

    def __init__(self, type_name: str, message: str, reason: str) -> None:
        super().__init__(type_name, message, reason)
        self.type_name = type_name
        self.message = message
        self.reason = reason

    def __str__(self) -> str:
        text = f"{self.type_name}: {self.message}" if self.message else self.type_name
        return f"{text}\n(the exception itself could not be sent: {self.reason})"


class SessionError(CellrayError):
    """The background runtime could not be started, found or reached."""


class SessionStartError(SessionError):
    """A session could not be started; the text names the step and holds the end of its log."""


class SessionLostError(SessionError, ConnectionError):
    """The session was there and is gone: its node ended, or the connection broke."""


class GcsUnavailableError(SessionError, ConnectionError):
    """The Redis server that holds the control state does not answer."""


class LogError(CellrayError):
    """An event log cannot be opened, or a part of it cannot be read."""


class LogVersionError(LogError):
    """The log was written by a newer version, of which this one cannot know what its facts mean."""

    def __init__(self, place: str, version: int, known: int) -> None:
        super().__init__(place, version, known)
        self.place = place
        self.version = version
        self.known = known

    def __str__(self) -> str:
        return (
            f"the log {self.place} has schema {self.version}, and this version of cellray reads up to {self.known}. "
            "Open it with a newer version: pip install --upgrade cellray."
        )


class InternalError(CellrayError):
    """Our own bug. Please report it with the text."""


FAILURES: dict[str, type[CellrayError]] = {
    "cancelled": TaskCancelledError,
    "worker_crashed": WorkerCrashedError,
    "actor_died": ActorDiedError,
    "actor_unavailable": ActorUnavailableError,
    "unschedulable": TaskUnschedulableError,
    "actor_unschedulable": ActorUnschedulableError,
    "placement_group_removed": TaskPlacementGroupRemoved,
    "actor_placement_group_removed": ActorPlacementGroupRemoved,
    "out_of_memory": OutOfMemoryError,
    "node_died": NodeDiedError,
    "runtime_env": RuntimeEnvSetupError,
    "object_lost": ObjectLostError,
    "reconstruction_failed": ObjectReconstructionFailedError,
    "store_full": ObjectStoreFullError,
    "output_diverged": OutputDivergedError,
    "session_lost": SessionLostError,
    "internal": InternalError,
}
"""Which exception each kind of `model.object.Failure` becomes."""
