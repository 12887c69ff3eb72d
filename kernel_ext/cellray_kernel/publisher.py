"""Sending displays to the notebook from any thread, at the cell they belong to.

Facts about the way there: a client puts a `display_data` at the cell whose request is its parent; `update_display_data`
goes wherever its display id is shown, in JupyterLab whatever its parent, but a headless run (nbclient) records it
only when its parent is the request that is being executed. So a display is created with the parent of its own cell,
and updated with the parent of the cell that runs now, even after that one ended.
"""

from __future__ import annotations

import sys
import threading
from typing import Any, NamedTuple, Protocol


class Bundle(NamedTuple):
    """A value in several media types, with the formatters' metadata."""

    data: dict[str, Any]
    metadata: dict[str, Any]


class Publisher(Protocol):
    """Where displays go. Thread-safe."""

    def enter_cell(self) -> Any:
        """A cell begins, on the calling thread; what `create` takes as its parent."""

    def create(self, display_id: str, bundle: Bundle, parent: Any) -> None:
        """Show a new display at the cell with that parent."""

    def update(self, display_id: str, bundle: Bundle, *, is_final: bool) -> None:
        """Replace it wherever it is shown."""

    def drain(self, timeout_s: float) -> None:
        """Until all of this process's messages are on their way, for so long at most."""


class KernelPublisher:
    """Over the kernel's IOPub socket, which takes messages from any thread."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._current_parent: Any = shell.get_parent()

    def enter_cell(self) -> Any:
        """Remember the request that is executed now: a comm message that comes in between has other parents."""
        self._current_parent = self._shell.get_parent()
        return self._current_parent

    def create(self, display_id: str, bundle: Bundle, parent: Any) -> None:
        """Show a new display."""
        self._send("display_data", display_id, bundle, parent)

    def update(self, display_id: str, bundle: Bundle, *, is_final: bool) -> None:
        """Replace it."""
        self._send("update_display_data", display_id, bundle, self._current_parent)

    def drain(self, timeout_s: float) -> None:
        """Until the kernel's own thread has sent what came before: it cannot once the interpreter is at its end."""
        drained = threading.Event()
        self._shell.display_pub.pub_socket.io_thread.schedule(drained.set)
        drained.wait(timeout_s)

    def _send(self, kind: str, display_id: str, bundle: Bundle, parent: Any) -> None:
        from ipykernel.jsonutil import encode_images, json_clean

        publisher = self._shell.display_pub
        content = {
            "data": encode_images(bundle.data),  # type: ignore[no-untyped-call]
            "metadata": bundle.metadata,
            "transient": {"display_id": display_id},
        }
        # Not through display_pub.publish: that takes the parent of the thread, and hooks that other code put there.
        clean = json_clean(content)  # type: ignore[no-untyped-call]
        publisher.session.send(publisher.pub_socket, kind, clean, parent=parent, ident=publisher.topic)


class TerminalPublisher:
    """Where nothing can be updated: a display is printed once, when it is final."""

    def enter_cell(self) -> Any:
        """Terminals have no parents."""
        return None

    def create(self, display_id: str, bundle: Bundle, parent: Any) -> None:
        """Nothing yet."""

    def update(self, display_id: str, bundle: Bundle, *, is_final: bool) -> None:
        """Print the final text."""
        text = bundle.data.get("text/plain", "")
        if is_final and text:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    def drain(self, timeout_s: float) -> None:
        """What was printed has been."""


def publisher_of(shell: Any) -> Publisher:
    """The one that fits the shell."""
    return KernelPublisher(shell) if hasattr(shell, "kernel") else TerminalPublisher()
