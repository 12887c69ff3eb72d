"""A real JupyterLab server for the tests: private folders, a free local port, nothing left at the end."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

START_S_MAX = 90
STOP_S_MAX = 20
# Every process that comes from the server carries this variable, daemons that left its session as well.
MARK = "TESTS_UI_MARK"

SETTINGS = {
    # A command-line option does not stop the news toast; this does.
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Otherwise cells outside the window are not in the document.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}


class JupyterServer:
    """JupyterLab on 127.0.0.1 with `root` as its files; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "notebooks"
        self.token = secrets.token_hex(16)
        self.mark = secrets.token_hex(8)
        self._folder = folder
        self._port = free_port()
        self._log = folder / "server.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.root.mkdir()
        write_settings(self._folder / "settings")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(), cwd=self.root, env=self._environment(), stdout=log, stderr=log
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def get(self, path: str, *, token: str | None = None) -> tuple[int, str]:
        """Send GET as somebody with `token` (the right one unless told) and return status and body."""
        request = urllib.request.Request(
            f"{self.url}/{path}", headers={"Authorization": f"token {self.token if token is None else token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    def end_kernels(self) -> None:
        """Shut down every kernel, as closing its notebook for good does."""
        for session in json.loads(self.get("api/sessions")[1]):
            request = urllib.request.Request(
                f"{self.url}/api/sessions/{session['id']}",
                method="DELETE",
                headers={"Authorization": f"token {self.token}"},
            )
            urllib.request.urlopen(request, timeout=30).close()

    def _command(self) -> list[str]:
        return [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self._port}", "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.root}",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.extension_manager=readonly",
            # The tests read the notebook's model through `window.jupyterapp`.
            "--LabApp.expose_app_in_browser=True",
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        own = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
            # Sessions of the tests must neither find others nor be found.
            "CELLRAY_HOME": "s",
        }
        folders = {name: str(self._folder / folder) for name, folder in own.items()}
        return {**os.environ, **folders, "JUPYTER_PREFER_ENV_PATH": "1", MARK: self.mark}

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_S_MAX
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if self.get("api/status")[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"JupyterLab did not start:\n{self._log.read_text()[-4000:]}")

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        leaked = end_processes(self.mark)
        if leaked:
            raise AssertionError("JupyterLab left processes behind: " + "; ".join(leaked))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_settings(folder: Path) -> None:
    for name, values in SETTINGS.items():
        path = folder / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


def end_processes(mark: str, wait_s: float = STOP_S_MAX) -> list[str]:
    """Wait for the processes that carry `mark` to end, kill what does not, and return their command lines."""
    _, alive = psutil.wait_procs(marked(mark), timeout=wait_s)
    leaked = [f"{process.pid} {' '.join(process.cmdline())}" for process in alive]
    for process in alive:
        process.kill()
    return leaked


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:  # gone meanwhile, or somebody else's
            continue
    return found
