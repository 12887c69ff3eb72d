"""The public exceptions, where Ray has them."""

from cellray.errors import (
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

# Ray's names for two of them, so that programs written for it catch the same things.
RayError = CellrayError
RayTaskError = TaskError

__all__ = [
    "CellrayError",
    "GcsUnavailableError",
    "GetTimeoutError",
    "InternalError",
    "ObjectLostError",
    "ObjectStoreFullError",
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
