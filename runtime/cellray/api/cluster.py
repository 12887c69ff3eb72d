"""What there is: nodes, resources in all and free, and what ran when."""

from __future__ import annotations

import socket
from typing import Any

import msgspec

from cellray.api import current
from cellray.api.session import current_session, started_engine
from cellray.model.placement import original_name
from cellray.model.task import RESOURCE_UNITS, Resources


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


def timeline(filename: str | None = None) -> list[dict[str, Any]] | None:
    """What has run when, as events of Chrome's trace format, or None when they are written to a file.

    Load the file in chrome://tracing or https://ui.perfetto.dev. Raises RuntimeError without a session, as Ray does.
    """
    if current.engine_or_none() is None:
        raise RuntimeError("Cellray has not been started yet. The timeline is that of a session: call cellray.init().")
    from cellray.observe import session_timeline

    events = session_timeline()
    if filename is None:
        return events
    with open(filename, "wb") as file:
        file.write(msgspec.json.encode(events))
    return None


def _amounts(resources: Resources) -> dict[str, float]:
    """Without those that stand for shares of placement groups, as in Ray."""
    return {name: units / RESOURCE_UNITS for name, units in resources if original_name(name) == name}
