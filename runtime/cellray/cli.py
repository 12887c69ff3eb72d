"""`cellray status` and `cellray stop`: tools that speak to a running session's control service."""

from __future__ import annotations

import argparse
import os
import sys
import time

from cellray.errors import SessionError
from cellray.launch import find_session, running_sessions
from cellray.node.control import NodeStatus
from cellray.node.control_client import ControlClient
from cellray.node.settings import SessionFolder

MEGABYTE = 1_000_000
GIGABYTE = 1_000_000_000
STOP_TIMEOUT_S = 10.0


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit code is 1 when there is no session or it does not answer."""
    parser = argparse.ArgumentParser(prog="cellray", description="Look at and end Cellray sessions of this user.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("status", "what runs in a session"), ("stop", "end a session and all its processes")):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--address", help="session folder (default: $CELLRAY_ADDRESS, else the latest session)")
    commands.choices["stop"].add_argument("--all", action="store_true", help="end all sessions of this user")
    options = parser.parse_args(arguments)
    try:
        if options.command == "status":
            return _status(find_session(options.address))
        folders = running_sessions() if options.all else [find_session(options.address)]
        return max((_stop(folder) for folder in folders), default=0)
    except SessionError as error:
        print(f"cellray: {error}", file=sys.stderr)
        return 1


def _status(folder: SessionFolder) -> int:
    with ControlClient(folder.control_socket, folder.read_token()) as control:
        print(render_status(control.status(), folder.path))
    return 0


def render_status(status: NodeStatus, address: str) -> str:
    """The status as text, one thing a line."""
    states = [worker.state for worker in status.workers]
    workers = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    tasks = ", ".join(f"{count} {state}" for state, count in status.tasks.items() if count) or "none yet"
    resources = ", ".join(
        _free(name, status.resources_available.get(name, 0), total) for name, total in status.resources_total.items()
    )
    used_mb = status.object_store_used_bytes / MEGABYTE
    spilled_mb = status.object_store_spilled_bytes / MEGABYTE
    spilled = f", {spilled_mb:.1f} MB on disk" if spilled_mb else ""
    gone = status.sources_given_up
    if gone:
        spilled += f"; what was made of {gone} given up values cannot be made again"
    gcs = status.gcs_url
    if status.gcs_unavailable_since is not None:
        gcs += f" (no answer for {status.at - status.gcs_unavailable_since:.1f} s)"
    return "\n".join(
        [
            f"session   {status.session_id}, up {status.at - status.started_at:.0f} s, node pid {status.pid}",
            f"address   {address}",
            f"drivers   {status.drivers}",
            f"workers   {len(status.workers)}" + (f" ({workers})" if workers else ""),
            f"tasks     {tasks}",
            f"resources {resources}",
            f"objects   {used_mb:.1f} of {status.object_store_bytes / MEGABYTE:.0f} MB of shared memory{spilled}",
            f"GCS       {gcs}, {status.log_sequence} log records",
        ]
    )


def _free(name: str, available: float, total: float) -> str:
    if name == "memory":  # counted in bytes
        return f"{available / GIGABYTE:.1f} of {total / GIGABYTE:.1f} GB memory free"
    return f"{available:g} of {total:g} {name} free"


def _stop(folder: SessionFolder) -> int:
    with ControlClient(folder.control_socket, folder.read_token()) as control:
        pid = control.status().pid
        control.stop("cellray stop")
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while os.path.exists(folder.path):
        if time.monotonic() > deadline:
            print(f"cellray: node {pid} did not end within {STOP_TIMEOUT_S:g} s ({folder.path})", file=sys.stderr)
            return 1
        time.sleep(0.02)
    print(f"session {os.path.basename(folder.path)} ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
