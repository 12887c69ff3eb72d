"""The warm template: one process that has imported everything and forks a worker in milliseconds.

It has no threads, no gRPC and no Redis client, so that forking is safe; it does nothing but fork and report what
ended. It dies with its node, and its workers with it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable

from cellray.worker.processes import die_with_parent
from cellray.worker.settings import WorkerSettings


def serve(control: socket.socket, settings: WorkerSettings, run_worker: Callable[[WorkerSettings], None]) -> None:
    """Fork workers on request until the node closes the control socket."""
    die_with_parent(settings.node_pid)
    _warm_up(settings)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child_ended_read, child_ended_write = os.pipe()
    os.set_blocking(child_ended_read, False)
    os.set_blocking(child_ended_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(child_ended_write)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(child_ended_read, select.POLLIN)
    requests = b""
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if child_ended_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(child_ended_read, 4096)
            _report_ended(control)
        if control.fileno() in ready:
            data = control.recv(4096)
            if not data:
                return
            *lines, requests = (requests + data).split(b"\n")
            for line in lines:
                for _ in range(int(line.split()[1])):
                    _fork(control, (child_ended_read, child_ended_write), settings, run_worker)


def _warm_up(settings: WorkerSettings) -> None:
    """Import what tasks nearly always use, once, before there is anything to fork."""
    for entry in settings.path:
        if entry not in sys.path:
            sys.path.append(entry)
    # Two workers on two cores must not start four BLAS threads; Ray sets the same for one-CPU tasks.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import cloudpickle  # type: ignore[import-untyped]  # noqa: F401
    import numpy  # noqa: F401  # numpy takes most of the time there is to save

    gc.collect()
    gc.freeze()  # forked pages stay shared when no collection touches their headers


def _fork(
    control: socket.socket,
    pipe: tuple[int, int],
    settings: WorkerSettings,
    run_worker: Callable[[WorkerSettings], None],
) -> None:
    template_pid = os.getpid()
    pid = os.fork()
    if pid:
        control.sendall(f"forked {pid}\n".encode())
        return
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in pipe:
            os.close(descriptor)
        control.close()
        os.setpgid(0, 0)  # so that killing a worker takes along what its tasks started
        die_with_parent(template_pid)
        run_worker(settings)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _report_ended(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        control.sendall(f"exited {pid} {status}\n".encode())
