"""Cellray: notebook cells, functions and actors on a background distributed runtime.

    import cellray

    cellray.init()

    @cellray.remote
    def square(x):
        return x * x

    print(cellray.get([square.remote(i) for i in range(4)]))

In a notebook, `%load_ext cellray` adds `%%remote`, `%graph`, `%lineage`, `%why` and `%cellray`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellray import actor, exceptions, observe, provenance, runtime_context, runtime_env, testing, util
    from cellray.api.actor import ActorClass, ActorHandle, get_actor, kill, method
    from cellray.api.cluster import available_resources, cluster_resources, nodes, timeline
    from cellray.api.object_ref import ObjectRef
    from cellray.api.object_ref_generator import DynamicObjectRefGenerator, ObjectRefGenerator
    from cellray.api.profiling import profile
    from cellray.api.remote_function import RemoteFunction, remote
    from cellray.api.runtime_context import get_gpu_ids, get_runtime_context, task_seed
    from cellray.api.session import Session, current_session, init, is_initialized, shutdown
    from cellray.api.verbs import cancel, get, put, wait
    from cellray.observe.log import Log, open_log
    from cellray.observe.questions import diff, lineage, why
    from cellray.replaying.actor import actor_at
    from cellray.replaying.rerun import rerun
    from cellray.replaying.task import replay

__version__ = "0.1.0"

__all__ = [
    "ActorClass",
    "ActorHandle",
    "DynamicObjectRefGenerator",
    "Log",
    "ObjectRef",
    "ObjectRefGenerator",
    "RemoteFunction",
    "Session",
    "__version__",
    "actor",
    "actor_at",
    "available_resources",
    "cancel",
    "cluster_resources",
    "current_session",
    "diff",
    "exceptions",
    "get",
    "get_actor",
    "get_gpu_ids",
    "get_runtime_context",
    "init",
    "is_initialized",
    "kill",
    "lineage",
    "method",
    "nodes",
    "observe",
    "open_log",
    "profile",
    "provenance",
    "put",
    "remote",
    "replay",
    "rerun",
    "runtime_context",
    "runtime_env",
    "shutdown",
    "task_seed",
    "testing",
    "timeline",
    "util",
    "wait",
    "why",
]

# Names are imported when they are first used: the node imports this package too, and needs none of them.
_HOMES = {
    "Log": "cellray.observe.log",
    "ActorClass": "cellray.api.actor",
    "ActorHandle": "cellray.api.actor",
    "get_actor": "cellray.api.actor",
    "get_gpu_ids": "cellray.api.runtime_context",
    "get_runtime_context": "cellray.api.runtime_context",
    "kill": "cellray.api.actor",
    "method": "cellray.api.actor",
    "ObjectRef": "cellray.api.object_ref",
    "DynamicObjectRefGenerator": "cellray.api.object_ref_generator",
    "ObjectRefGenerator": "cellray.api.object_ref_generator",
    "profile": "cellray.api.profiling",
    "RemoteFunction": "cellray.api.remote_function",
    "remote": "cellray.api.remote_function",
    "replay": "cellray.replaying.task",
    "rerun": "cellray.replaying.rerun",
    "actor_at": "cellray.replaying.actor",
    "available_resources": "cellray.api.cluster",
    "cluster_resources": "cellray.api.cluster",
    "nodes": "cellray.api.cluster",
    "open_log": "cellray.observe.log",
    "timeline": "cellray.api.cluster",
    "Session": "cellray.api.session",
    "current_session": "cellray.api.session",
    "init": "cellray.api.session",
    "is_initialized": "cellray.api.session",
    "shutdown": "cellray.api.session",
    "task_seed": "cellray.api.runtime_context",
    "cancel": "cellray.api.verbs",
    "get": "cellray.api.verbs",
    "put": "cellray.api.verbs",
    "wait": "cellray.api.verbs",
    "diff": "cellray.observe.questions",
    "lineage": "cellray.observe.questions",
    "why": "cellray.observe.questions",
}
_MODULES = ("actor", "exceptions", "observe", "provenance", "runtime_context", "runtime_env", "testing", "util")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"cellray.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'cellray' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext cellray` calls; the one place where the runtime knows of the notebook extension."""
    from cellray_kernel import load_ipython_extension as load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What `%unload_ext cellray` calls."""
    from cellray_kernel import unload_ipython_extension as unload

    unload(shell)
