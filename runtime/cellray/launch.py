"""Starting a session, and finding one: the session's folder, its token, its node process.

Folders live below `$CELLRAY_HOME`, else `$XDG_RUNTIME_DIR/cellray`, else `<temp>/cellray-<uid>`, mode 0700. The link
`latest` there points to the session that started last.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import subprocess
import sys
import tempfile
import time

import msgspec

from cellray.errors import SessionLostError, SessionStartError
from cellray.ids import SessionId
from cellray.node.ended_session import remove_session_folder
from cellray.node.settings import NodeSettings, SessionFolder
from cellray.processes import end_process

SOCKET_PATH_BYTES_MAX = 100
LOG_TAIL_BYTES = 3000


def sessions_home() -> str:
    """The folder of this user's sessions; created with mode 0700.

    Raises SessionStartError when it belongs to somebody else or others may enter it.
    """
    runtime_folder = os.environ.get("XDG_RUNTIME_DIR")
    home = os.environ.get("CELLRAY_HOME") or (
        os.path.join(runtime_folder, "cellray")
        if runtime_folder and os.access(runtime_folder, os.W_OK)
        else os.path.join(tempfile.gettempdir(), f"cellray-{os.getuid()}")
    )
    home = os.path.abspath(home)
    os.makedirs(home, mode=0o700, exist_ok=True)
    status = os.stat(home)
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise SessionStartError(
            f"{home} must belong to you and be closed to others (mode 0700), because the session's sockets and secret "
            "lie there. Run chmod 700 on it, or set CELLRAY_HOME to another folder."
        )
    return home


def new_session_folder() -> tuple[SessionId, SessionFolder]:
    """A fresh folder with a token in it; folders of dead sessions are swept away."""
    home = sessions_home()
    _sweep(home)
    name = f"{time.strftime('%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    folder = SessionFolder(os.path.join(home, name))
    if len(folder.control_socket) > SOCKET_PATH_BYTES_MAX:
        raise SessionStartError(
            f"the session folder's path is too long for Unix sockets: {folder.path}. Set CELLRAY_HOME to a short path."
        )
    os.mkdir(folder.path, 0o700)
    os.mkdir(folder.logs, 0o700)
    descriptor = os.open(folder.token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
    return SessionId(name), folder


def start_node(folder: SessionFolder, settings: NodeSettings) -> None:
    """Start the node process and wait until it is ready.

    Raises SessionStartError with the step that failed or took too long, and the end of the node's log. The folder is
    removed then.
    """
    with open(folder.settings, "wb") as file:
        file.write(msgspec.json.encode(settings))
    ready_read, ready_write = os.pipe()
    try:
        with open(folder.log("node.out"), "ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "cellray.node.main", folder.path, str(ready_write)],
                pass_fds=[ready_write],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the notebook or terminal never reaches it
            )
        os.close(ready_write)
        _wait_ready(ready_read, folder, process, settings.config.session_start_timeout_s)
    finally:
        os.close(ready_read)
    _mark_latest(folder)
    _reaper.watch(process)


def _wait_ready(descriptor: int, folder: SessionFolder, process: subprocess.Popen[bytes], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    step, data = "starting Python", b""
    while True:
        remaining = deadline - time.monotonic()
        ready, _, _ = select.select([descriptor], [], [], max(0.0, remaining))
        if not ready:
            end_process(process)
            _fail(folder, f"the session did not start within {timeout_s:g} s; it was {step}")
        piece = os.read(descriptor, 4096)
        *lines, data = (data + piece).split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            if word == "ready":
                return
            if word == "failed":
                process.wait(timeout_s)
                _fail(folder, rest)
            step = rest
        if not piece:
            process.wait(timeout_s)
            _fail(folder, f"the node process ended while it was {step} (exit status {process.returncode})")


def _fail(folder: SessionFolder, what: str) -> None:
    tail = "".join(_tail(folder.log(name)) for name in ("node.out", "redis.log", "template.log"))
    shutil.rmtree(folder.path, ignore_errors=True)
    raise SessionStartError(what + (f"\nEnd of its log:\n{tail}" if tail else ""))


def _tail(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read()[-LOG_TAIL_BYTES:].decode(errors="replace")
    except OSError:
        return ""


def find_session(address: str | None = None) -> SessionFolder:
    """The folder of a running session: of `address` (a folder), else `$CELLRAY_ADDRESS`, else the latest.

    Raises SessionLostError when there is none that runs.
    """
    path = address or os.environ.get("CELLRAY_ADDRESS")
    if path:
        folder = SessionFolder(os.path.abspath(path))
        if not is_running(folder):
            raise SessionLostError(f"no session runs in {path}. Start one with cellray.init().")
        return folder
    for folder in running_sessions():
        return folder
    raise SessionLostError(
        f"no Cellray session of this user runs here (looked in {sessions_home()}). "
        "Start one with cellray.init(), or load the extension in a notebook and run a %%remote cell."
    )


def running_sessions() -> list[SessionFolder]:
    """All running sessions of this user, the latest first."""
    home = sessions_home()
    folders = [SessionFolder(os.path.join(home, name)) for name in os.listdir(home) if name != "latest"]
    running = [folder for folder in folders if is_running(folder)]
    return sorted(running, key=lambda folder: os.stat(folder.settings).st_mtime, reverse=True)


def is_running(folder: SessionFolder) -> bool:
    """Whether the folder's node process lives."""
    _reaper.bury()
    try:
        with open(folder.node_pid, encoding="ascii") as file:
            pid = int(file.read())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return False
    return os.path.exists(folder.node_socket)


def _sweep(home: str) -> None:
    """Remove what nodes that were killed could not remove themselves."""
    for name in os.listdir(home):
        folder = SessionFolder(os.path.join(home, name))
        with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError):
            if os.path.islink(folder.path):
                continue
            with open(folder.node_pid, encoding="ascii") as file:
                pid = int(file.read())
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                remove_session_folder(folder, for_good=True)  # whoever needs its log has had the time to make room


def _mark_latest(folder: SessionFolder) -> None:
    link = os.path.join(os.path.dirname(folder.path), "latest")
    temporary = f"{link}.{os.getpid()}"
    with contextlib.suppress(OSError):
        os.symlink(os.path.basename(folder.path), temporary)
        os.replace(temporary, link)


class _Reaper:
    """Waits for ended node processes, so that none stays a zombie of a long-lived driver."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Remember a node that this process started."""
        self.bury()
        self._processes.append(process)

    def bury(self) -> None:
        """Forget those that have ended; until then their process ids look alive."""
        self._processes = [known for known in self._processes if known.poll() is None]

    def wait_ended(self, timeout_s: float) -> bool:
        """Until all have ended, or the timeout."""
        deadline = time.monotonic() + timeout_s
        for process in self._processes:
            try:
                process.wait(max(0.01, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                return False
        return True


_reaper = _Reaper()


def wait_nodes_ended(timeout_s: float) -> bool:
    """Wait until the nodes started by this process have ended (after `shutdown`)."""
    return _reaper.wait_ended(timeout_s)
