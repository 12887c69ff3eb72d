"""The notebook face of Cellray: magics, cell provenance and widgets, loaded by `%load_ext cellray`.

A worker that runs a remote cell imports `cellray_kernel.remote_cell`: nothing of IPython may be imported here.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext cellray_kernel` calls."""
    from cellray_kernel.extension import load_ipython_extension as load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What `%unload_ext cellray_kernel` calls."""
    from cellray_kernel.extension import unload_ipython_extension as unload

    unload(shell)
