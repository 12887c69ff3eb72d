"""Waits until the log of this process's session has what its node has told: facts are written a moment later."""

from __future__ import annotations

from cellray.api import session as api_session
from cellray.errors import SessionError
from cellray.node.control_client import ControlClient
from cellray.node.settings import SessionFolder
from cellray.ports import LogReader

STATUS_TIMEOUT_S = 2.0
WRITTEN_TIMEOUT_S = 60.0


def last_sequence() -> int:
    """The number of the last record that the node has written, or is about to; 0 when this process started no
    session."""
    session = api_session.current_session()
    if session is None:
        return 0
    folder = SessionFolder(session.address)
    with ControlClient(folder.control_socket, folder.read_token()) as control:
        return control.status(STATUS_TIMEOUT_S).log_sequence


def wait_until_written(reader: LogReader, timeout_s: float = WRITTEN_TIMEOUT_S) -> None:
    """Wait for all that the node has told until now. Raises SessionError when it does not come in time."""
    last = last_sequence()
    if last and not reader.wait(last - 1, timeout_s):
        raise SessionError(f"the event log could not be read within {timeout_s:g} s")
