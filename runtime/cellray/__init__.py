"""Cellray: notebook cells, functions and actors on a background distributed runtime.

    import cellray

    cellray.init()

    @cellray.remote
    def square(x):
        return x * x

    print(cellray.get([square.remote(i) for i in range(4)]))

In a notebook, `%load_ext cellray` adds `%%remote`, `%graph`, `%lineage` and `%cellray`.
"""

from __future__ import annotations

from typing import Any

from cellray import exceptions, provenance
from cellray.api.object_ref import ObjectRef
from cellray.api.remote_function import RemoteFunction, remote
from cellray.api.session import Session, cluster_resources, current_session, init, is_initialized, shutdown
from cellray.api.verbs import cancel, get, put, wait

__version__ = "0.1.0"

__all__ = [
    "ObjectRef",
    "RemoteFunction",
    "Session",
    "__version__",
    "cancel",
    "cluster_resources",
    "current_session",
    "exceptions",
    "get",
    "init",
    "is_initialized",
    "provenance",
    "put",
    "remote",
    "shutdown",
    "wait",
]


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext cellray` calls; the one place where the runtime knows of the notebook extension."""
    from cellray_kernel import load_ipython_extension as load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What `%unload_ext cellray` calls."""
    from cellray_kernel import unload_ipython_extension as unload

    unload(shell)
