"""The public exceptions, where Ray has them."""

from cellray.errors import (
    ActorDiedError,
    ActorError,
    ActorUnavailableError,
    CellrayError,
    GcsUnavailableError,
    GetTimeoutError,
    InternalError,
    ObjectLostError,
    ObjectStoreFullError,
    SerializationError,
    SessionError,
    SessionLostError,
    SessionStartError,
    TaskCancelledError,
    TaskError,
    TaskUnschedulableError,
    WorkerCrashedError,
)

# Ray's names for three of them, so that programs written for it catch the same things.
RayError = CellrayError
RayTaskError = TaskError
RayActorError = ActorError

__all__ = [
    "ActorDiedError",
    "ActorError",
    "ActorUnavailableError",
    "CellrayError",
    "GcsUnavailableError",
    "GetTimeoutError",
    "InternalError",
    "ObjectLostError",
    "ObjectStoreFullError",
    "RayActorError",
    "RayError",
    "RayTaskError",
    "SerializationError",
    "SessionError",
    "SessionLostError",
    "SessionStartError",
    "TaskCancelledError",
    "TaskError",
    "TaskUnschedulableError",
    "WorkerCrashedError",
]
