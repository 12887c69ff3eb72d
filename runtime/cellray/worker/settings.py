"""What the node tells its template, and the template its workers; and the few words they exchange.

The node writes a line a request to the template's control socket, `fork <count>`, and reads a line a fact:
`forked <pid>`, `exited <pid> <wait status>`.
"""

from __future__ import annotations

import msgspec


class WorkerSettings(msgspec.Struct, frozen=True):
    """Everything a worker needs before it can connect. `path` is the driver's `sys.path`."""

    socket_path: str
    token: str
    log_folder: str
    checkpoint_folder: str
    node_pid: int
    path: list[str] = []
    connect_timeout_s: float = 10.0
