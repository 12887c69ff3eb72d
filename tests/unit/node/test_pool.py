"""The pool of workers, with a real template."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from cellray.node.pool import TemplatePool
from cellray.worker.settings import WorkerSettings

from tests.helpers.polling import eventually


@asynccontextmanager
async def one_worker(folder: Path) -> AsyncIterator[tuple[TemplatePool, psutil.Process, asyncio.Future[int]]]:
    """A pool, its worker, which has connected and waits to be welcomed, and how that ends.

    What the template says is read when this coroutine waits.
    """
    path = str(folder / "node.sock")
    with socket.socket(socket.AF_UNIX) as node:
        node.bind(path)
        node.listen()
        pool = TemplatePool(
            WorkerSettings(path, "token", str(folder), str(folder), os.getpid()), str(folder / "template.log")
        )
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        pool.on_exited = lambda _pid, status: ended.set_result(status)
        pool.attach(asyncio.get_running_loop())
        try:
            pool.start(1)
            (worker,) = eventually(lambda: psutil.Process(pool._process.pid).children(), "a worker")
            yield pool, worker, ended
        finally:
            pool.close()


def test_a_worker_is_killed_that_the_template_has_not_spoken_of(tmp_path: Path) -> None:
    async def kill() -> int:
        async with one_worker(tmp_path) as (pool, worker, ended):
            pool.kill(worker.pid)
            return await asyncio.wait_for(ended, 20)

    assert os.WTERMSIG(asyncio.run(kill())) == signal.SIGKILL


def test_who_has_ended_is_not_killed(tmp_path: Path) -> None:
    async def kill() -> set[int]:
        async with one_worker(tmp_path) as (pool, worker, ended):
            worker.terminate()
            await asyncio.wait_for(ended, 20)
            pool.kill(worker.pid)
            return pool._doomed

    assert not asyncio.run(kill()), "its number may be another one's soon"
