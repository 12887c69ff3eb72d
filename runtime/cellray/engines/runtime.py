"""Where code runs: in which task, of which job, on which node. What `get_runtime_context` stands on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cellray.ids import TaskId, actor_object_id
from cellray.model.fact import SpanEnded
from cellray.model.task import RESOURCE_UNITS, Resources
from cellray.ports import Created
from cellray.worker.actor_exit import ActorRole, Role

if TYPE_CHECKING:
    from cellray.engines.native import NativeEngine

WORKER_ID_BYTES = 28


class NativeRuntime:
    """`ports.RuntimeEngine` of one `NativeEngine`. Asked in a thread or coroutine of a call, it tells of that call."""

    def __init__(self, engine: NativeEngine, *, is_worker: bool) -> None:
        self._engine = engine
        self.is_worker = is_worker
        self._jobs: dict[TaskId, tuple[str, str]] = {}

    @property
    def session_id(self) -> str:
        """The session's name."""
        return self._engine.welcome.session_id

    @property
    def node_id(self) -> str:
        """The node's id."""
        return self._engine.welcome.node_id

    @property
    def worker_id(self) -> str:
        """Hexadecimal; that of a driver too. Its connection's number alone would be the same in other sessions."""
        welcome = self._engine.welcome
        name = f"{welcome.session_id}/{welcome.client_id}".encode()
        return hashlib.blake2b(name, digest_size=WORKER_ID_BYTES).hexdigest()

    @property
    def gcs_url(self) -> str:
        """Where the session's Redis is, with its secret."""
        return self._engine.welcome.gcs_url

    @property
    def actor(self) -> ActorRole | None:
        """The actor that this process is."""
        return Role.actor if self.is_worker else None

    @property
    def task_id(self) -> TaskId:
        """The task that runs here; a driver's root task."""
        return self._engine.context.task_id

    @property
    def task_name(self) -> str:
        """As it was given, or that of the function."""
        template = self._engine.context.here.template
        return template.name if template is not None else ""

    @property
    def function_name(self) -> str:
        """Module and qualified name of the function, or of the class and the method."""
        here = self._engine.context.here
        if here.function is None or here.template is None:
            return ""
        method = here.template.method or ("__init__" if here.template.actor is not None else "")
        name = f"{here.function.module}.{here.function.name}"
        return f"{name}.{method}" if method else name

    @property
    def resources(self) -> dict[str, float]:
        """What the task, or the actor as long as it lives, has for itself."""
        return {name: units / RESOURCE_UNITS for name, units in self.held()}

    def job(self) -> tuple[str, str]:
        """The job's id (hexadecimal) and its namespace; in a worker the node is asked, once for each task."""
        context = self._engine.context.here
        key = Role.actor.actor_id if Role.actor is not None else context.task_id
        known = self._jobs.get(key)
        if known is None:
            told = self._engine.describe(context.task_id)
            self._jobs = {key: (told.job_id.hex(), told.namespace)}
            return self._jobs[key]
        return known

    def record_span(self, name: str, started_at: float, extra: dict[str, str], error: str) -> None:
        """See `ports.RuntimeEngine`."""
        engine = self._engine
        if engine.channel.closed_reason is None:
            engine.channel.add(SpanEnded(engine.context.task_id, name, started_at, engine.now(), extra, error))

    def is_cancelled(self) -> bool:
        """Whether somebody asked to cancel the running task, which is not interrupted from now on."""
        here = self._engine.context.here
        here.minds_cancel = True
        return here.is_cancelled

    def this_actor(self) -> Created | None:
        """What a handle of the actor that this process is holds, retained once; None outside of actors."""
        role = self.actor
        if role is None:
            return None
        obj = actor_object_id(role.actor_id)
        self._engine.retain(obj)
        return Created(obj, role.creation.function_hash, role.options, is_new=False)

    def held(self) -> Resources:
        """What the task, or the actor as long as it lives, has for itself."""
        template = self._engine.context.here.template
        if Role.actor is not None:
            return Role.actor.creation.resources
        return template.resources if template is not None else ()
