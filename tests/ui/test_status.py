"""Cellray's item in JupyterLab's status bar, and the request behind it."""

from __future__ import annotations

import json
import re

from playwright.sync_api import expect

from tests.ui.lab import Lab
from tests.ui.server import JupyterServer

SESSION = {
    "session_id": "s-1",
    "started_at": 1_790_000_000.0,
    "nodes": 1,
    "workers": 2,
    "tasks": {"waiting": 0, "ready": 0, "running": 2, "finished": 64, "failed": 0, "cancelled": 0},
    "gcs": "unix socket",
}


def test_a_notebook_runs_and_the_item_says_that_no_session_does(lab: Lab) -> None:
    lab.open(lab.new_notebook("arithmetic", "1 + 1"))
    lab.run_all_cells()
    assert lab.cell_output_text(0) == "2"
    expect(lab.status_item).to_have_text("Cellray: no session")
    lab.screenshot("status-no-session")


def test_the_item_follows_the_session(lab: Lab) -> None:
    session: dict[str, object] | None = SESSION
    lab.page.route("**/cellray/status*", lambda route: route.fulfill(json={"session": session}))
    lab.open(lab.new_notebook("follow", "pass"))
    expect(lab.status_item).to_have_text("Cellray: 64 done · 2 running")
    expect(lab.status_item).to_have_attribute(
        "title", re.compile("Workers: 2, on 1 node\nSession: s-1, since .*\nGCS: unix socket")
    )
    lab.screenshot("status-running")
    session = None
    expect(lab.status_item).to_have_text("Cellray: no session", timeout=10_000)


def test_the_item_says_when_the_server_does_not_answer(lab: Lab) -> None:
    lab.page.route("**/cellray/status*", lambda route: route.abort())
    lab.open(lab.new_notebook("unreachable", "pass"))
    expect(lab.status_item).to_have_text("Cellray: not reachable")


def test_the_status_is_for_the_servers_users_only(jupyter: JupyterServer) -> None:
    assert jupyter.get("cellray/status", token="somebody else's")[0] == 403
    code, body = jupyter.get("cellray/status")
    assert code == 200
    assert json.loads(body) == {"session": None}
