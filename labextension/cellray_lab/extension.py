"""The points by which Jupyter Server and JupyterLab find this package."""

from __future__ import annotations

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join

from cellray_lab.status import StatusHandler


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "cellray-lab"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "cellray_lab"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    base = server.web_app.settings["base_url"]
    routes = [(url_path_join(base, "cellray", "status"), StatusHandler)]
    server.web_app.add_handlers(".*$", routes)  # type: ignore[no-untyped-call]  # Jupyter's web app is untyped
