"""What there is: nodes, resources in all and free, and what ran when."""

from __future__ import annotations

import socket
from typing import Any

from cellray.api import current
from cellray.api.session import current_session, started_engine
from cellray.model.placement import original_name
from cellray.model.task import RESOURCE_UNITS, Resources

TASKS_SHOWN_MAX = 100_000
"""What a trace has when nothing is said: a file of 100 MB, which trace viewers still load."""


def cluster_resources() -> dict[str, float]:
    """Total amounts of all resources, such as `{"CPU": 2.0, "memory": 7e9, "object_store_memory": 3e9}`; in bytes."""
    state = current.require_engine().node_state()
    return {**_amounts(state.total), "object_store_memory": float(state.object_store_bytes)}


def available_resources() -> dict[str, float]:
    """What of them is free now; resources of which nothing is free are left out, as in Ray."""
    state = current.require_engine().node_state()
    free_bytes = float(state.object_store_bytes - state.object_store_used_bytes)
    amounts = {**_amounts(state.available), "object_store_memory": free_bytes}
    return {name: amount for name, amount in amounts.items() if amount > 0}


def nodes() -> list[dict[str, Any]]:
    """The nodes of the session, with Ray's keys: one."""
    engine, session = started_engine(), current_session()
    places = session.address_info if session is not None else {}
    return [
        {
            "NodeID": engine.node_id,
            "Alive": True,
            "alive": True,
            "NodeManagerAddress": "127.0.0.1",
            "NodeManagerHostname": socket.gethostname(),
            "NodeName": socket.gethostname(),
            "ObjectStoreSocketName": places.get("object_store_address", ""),
            "RayletSocketName": places.get("raylet_socket_name", ""),
            "Resources": cluster_resources(),
            "Labels": {},
        }
    ]


def timeline(
    filename: str | None = None,
    *,
    start: float | None = None,
    end: float | None = None,
    limit: int | None = TASKS_SHOWN_MAX,
) -> list[dict[str, Any]] | None:
    """What has run when, as events of Chrome's trace format, or None when they are written to a file.

    Arrows lead from where a task was submitted to where it ran, and from the tasks that made its arguments; what
    `cellray.profile` named stands inside. Load the file in https://ui.perfetto.dev or chrome://tracing. It has the
    tasks that ran between `start` and `end` (seconds since the epoch), of them the latest `limit`, 100,000 if nothing
    is said, and how many were left out; None: all. `cellray.open_log().timeline()` is the same for other sessions.
    Raises RuntimeError without a session, as Ray does.
    """
    if current.engine_or_none() is None:
        raise RuntimeError("Cellray has not been started yet. The timeline is that of a session: call cellray.init().")
    from cellray.observe.exports import write_trace
    from cellray.observe.session import session_timeline
    from cellray.observe.window import Window

    return write_trace(session_timeline(Window(start=start, end=end, limit=limit)), filename)


def _amounts(resources: Resources) -> dict[str, float]:
    """Without those that stand for shares of placement groups, as in Ray."""
    return {name: units / RESOURCE_UNITS for name, units in resources if original_name(name) == name}
