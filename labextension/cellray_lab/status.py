"""``GET cellray/status``: the running Cellray session as JSON, behind Jupyter's own authentication."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from importlib.util import find_spec

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web


def read_session() -> dict[str, object] | None:
    """Return ``cellray.observe.session_status()``, or None when there is no session.

    May block for two seconds: never call it on the server's event loop. It is imported here and not with this
    module, so that a Jupyter server that never shows Cellray does not load the runtime.
    """
    if find_spec("cellray.observe") is None:
        return None
    status: dict[str, object] | None = import_module("cellray.observe").session_status()
    return status


class StatusHandler(APIHandler):
    """Answers ``{"session": {...}}``, or ``{"session": null}`` when none runs."""

    auth_resource = "cellray"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Read the session in a thread, because reading it may block, and send it."""
        session = await asyncio.to_thread(read_session)
        self.finish(json.dumps({"session": session}))
