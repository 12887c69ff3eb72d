"""`get_runtime_context()`: who and where the code is that asks, with Ray's names. Ids are hexadecimal strings."""

from __future__ import annotations

import logging
import os
from typing import Any
from urllib.parse import urlsplit

import msgspec

from cellray.api.actor import ActorHandle
from cellray.api.object_ref import ObjectRef
from cellray.api.session import started_engine
from cellray.ids import task_seed as task_seed_of
from cellray.ports import Engine, RuntimeEngine
from cellray.runtime_env import RuntimeEnv
from cellray.worker.environment import surroundings

log = logging.getLogger(__name__)
CUDA_VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"


class RuntimeContext:
    """The driver, task or actor that asks; in an actor with several calls under way, the call."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def _runtime(self) -> RuntimeEngine:
        return self._engine.runtime

    def get(self) -> dict[str, Any]:
        """Job, node and namespace, and the task and actor where there is one."""
        found = {"job_id": self.get_job_id(), "node_id": self.get_node_id(), "namespace": self.namespace}
        if self._runtime.is_worker:
            found["task_id"] = self._runtime.task_id.hex()
            if self._runtime.actor is not None:
                found["actor_id"] = self._runtime.actor.actor_id.hex()
        return found

    def get_job_id(self) -> str:
        """The driver's job, of which this task is."""
        return self._runtime.job()[0]

    def get_node_id(self) -> str:
        """The node that this process is on."""
        return self._runtime.node_id

    def get_worker_id(self) -> str:
        """This process, a driver too."""
        return self._runtime.worker_id

    def get_session_name(self) -> str:
        """The session that this process is connected to."""
        return self._runtime.session_id

    def get_task_id(self) -> str | None:
        """The task that runs; None in a driver."""
        return self._runtime.task_id.hex() if self._is_in_worker("get_task_id") else None

    def get_task_seed(self) -> int:
        """See `cellray.task_seed`."""
        return task_seed_of(self._runtime.task_id)

    def get_task_name(self) -> str | None:
        """The task's name: that of its function, `C.method`, or what `.options(name=...)` said; None in a driver."""
        return self._runtime.task_name if self._is_in_worker("get_task_name") else None

    def get_task_function_name(self) -> str | None:
        """The task's function with its module, whatever the task is called; None in a driver."""
        return self._runtime.function_name if self._is_in_worker("get_task_function_name") else None

    def get_actor_id(self) -> str | None:
        """The actor that this process is; None in drivers and tasks."""
        actor = self._runtime.actor
        return actor.actor_id.hex() if actor is not None else None

    def get_actor_name(self) -> str | None:
        """The actor's name, empty if it has none; None in drivers and tasks."""
        actor = self._runtime.actor if self._is_in_worker("get_actor_name") else None
        return actor.options.name if actor is not None else None

    @property
    def namespace(self) -> str:
        """Where names of actors are looked up: that of the driver's `init`, else one of the job's own."""
        return self._runtime.job()[1]

    @property
    def was_current_actor_reconstructed(self) -> bool:
        """Whether the actor's process is not its first one. Raises RuntimeError outside of actors."""
        actor = self._runtime.actor
        if actor is None:
            raise RuntimeError("was_current_actor_reconstructed is for actors: ask in a method of one.")
        return actor.restarts > 0

    @property
    def current_actor(self) -> ActorHandle:
        """A handle of the actor that asks. Raises RuntimeError outside of actors."""
        found = self._runtime.this_actor()
        if found is None:
            raise RuntimeError("This method is only available in an actor.")
        return ActorHandle(ObjectRef(found.object_id, self._engine), found.class_hash, found.options)

    @property
    def gcs_address(self) -> str:
        """Host and port, or the socket, of the session's Redis, without its secret."""
        parts = urlsplit(self._runtime.gcs_url)
        return f"{parts.hostname}:{parts.port}" if parts.hostname else parts.path

    def get_assigned_resources(self) -> dict[str, float]:
        """What the task has, or the actor: `{"CPU": 1.0}` for most tasks, `{}` for most actors.

        Raises RuntimeError in a driver.
        """
        if not self._runtime.is_worker:
            raise RuntimeError("get_assigned_resources() is for tasks and actors: a driver has no resources assigned.")
        return self._runtime.resources

    def get_accelerator_ids(self) -> dict[str, list[str]]:
        """The numbers of the GPUs that the task or actor may use."""
        visible = os.environ.get(CUDA_VISIBLE_DEVICES, "")
        has_any = not self._runtime.is_worker or self._runtime.resources.get("GPU", 0) > 0
        return {"GPU": [each.strip() for each in visible.split(",") if each.strip()] if has_any else []}

    @property
    def runtime_env(self) -> RuntimeEnv:
        """What surrounds this driver, task or actor, and what it submits inherits; paths are absolute."""
        return RuntimeEnv(**msgspec.json.decode(self.get_runtime_env_string()))

    def get_runtime_env_string(self) -> str:
        """The same as JSON."""
        return self._engine.environment.text() or "{}"

    def get_placement_group_id(self) -> str | None:
        """The placement group that the task or actor runs in; None for all others."""
        placement = self._engine.placement
        return placement.group_id.hex() if placement is not None and placement.group_id else None

    @property
    def should_capture_child_tasks_in_placement_group(self) -> bool:
        """Whether what the task or actor submits runs in its placement group too."""
        placement = self._engine.placement
        return placement is not None and placement.captures

    def get_resource_ids(self) -> dict[str, list[str]]:
        """An older name of `get_accelerator_ids`."""
        return self.get_accelerator_ids()

    def get_node_labels(self) -> dict[str, str]:
        """Labels of the node: none."""
        return {}

    def is_canceled(self) -> bool:
        """Whether somebody asked to cancel the running task, so that it can clean up and return.

        A task that asks is not interrupted any more; it ends as cancelled, whatever it returns. Raises RuntimeError in
        a driver and in an async actor, whose coroutines get `asyncio.CancelledError`.
        """
        runtime = self._runtime
        if not runtime.is_worker:
            raise RuntimeError("is_canceled() is for tasks and methods of actors: nobody cancels a driver.")
        if runtime.actor is not None and runtime.actor.options.is_async:
            raise RuntimeError("is_canceled() is not for async actors: their coroutines get asyncio.CancelledError.")
        return runtime.is_cancelled()

    def _is_in_worker(self, method: str) -> bool:
        if not self._runtime.is_worker:
            log.warning("%s() is for tasks and actors: a driver has none, and gets None.", method)
        return self._runtime.is_worker


def task_seed() -> int:
    """A seed for random numbers: 64 bits, not negative; another one for each task, and the same whenever it runs.

    It follows from the task's id: a retry, the reconstruction of a lost result and a replay draw the same numbers.
    In a method of an actor it is that of the call, in a driver that of its whole job.

        rng = numpy.random.default_rng(cellray.task_seed())
        random.seed(cellray.task_seed())
        torch.manual_seed(cellray.task_seed())          # numpy.random.seed takes 32 bits: task_seed() % 2**32
    """
    return task_seed_of(started_engine().runtime.task_id)


def get_gpu_ids() -> list[int] | list[str]:
    """The GPUs that the running task or actor may use, by number; none in a driver.

    By what `$CUDA_VISIBLE_DEVICES` calls them, if the session was started with that.
    """
    started_engine()
    devices = surroundings.devices
    return devices if surroundings.are_named else [int(device) for device in devices]


def get_runtime_context() -> RuntimeContext:
    """Who and where the code is that asks; starts a session if there is none, as other verbs do.

    cellray.get_runtime_context().get_task_id()
    """
    return RuntimeContext(started_engine())
