"""The processes of a pool, and the chunks that wait for one."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

import cellray
from cellray.exceptions import ActorDiedError, SessionError
from cellray.util.multiprocessing.process import ChunkResult

Outcome = ChunkResult | BaseException


class Chunk(NamedTuple):
    """Work for one process: a method of `PoolProcess` and its arguments. `done` must not wait for the pool."""

    method: str
    args: tuple[Any, ...]
    done: Callable[[Outcome], None]


class Process:
    """One of them."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.chunks_taken = 0


class Processes:
    """Gives each process one chunk at a time: what waits here goes to the first that is free, and none waits behind a
    long one. There is no thread: chunks are handed on by who brings one, and by the thread that brings an answer.
    """

    def __init__(self, make_actor: Callable[[], Any], count: int, chunks_per_process_max: int | None) -> None:
        self._make_actor = make_actor
        self._chunks_max = chunks_per_process_max
        self.count = count
        self._idle = deque(Process(make_actor()) for _ in range(count))
        self._busy: set[Process] = set()
        self._waiting: deque[Chunk] = deque()
        self._lock = threading.Lock()
        self._is_handing_on = False
        self._is_closing = False
        self._over = threading.Event()

    def wait_ready(self) -> None:
        """Until the initializers have run. Raises ActorDiedError, with the traceback, when one has failed."""
        cellray.get([process.actor.ready.remote() for process in self._idle])

    def put(self, chunk: Chunk) -> None:
        """Run it as soon as a process is free."""
        self._waiting.append(chunk)
        self._hand_on()

    def close(self) -> None:
        """No more chunks come: the processes end when all are done."""
        with self._lock:
            self._is_closing = True
        self._end_if_done()

    def terminate(self) -> None:
        """End the processes now."""
        with self._lock:
            self._is_closing = True
            given_up, self._waiting = self._waiting, deque()
            processes = [*self._idle, *self._busy]
        if cellray.is_initialized():
            with contextlib.suppress(SessionError):
                for process in processes:
                    cellray.kill(process.actor)
        for chunk in given_up:
            chunk.done(RuntimeError("the pool was terminated before this call began"))
        self._end_if_done()

    def join(self) -> None:
        """Until all is done."""
        self._over.wait()

    def _hand_on(self) -> None:
        """One thread at a time, which goes on for the others: what fails at once must not come back from within."""
        with self._lock:
            if self._is_handing_on:
                return
            self._is_handing_on = True
        while True:
            with self._lock:
                if not self._waiting or not self._idle:
                    self._is_handing_on = False
                    return
                process, chunk = self._idle.popleft(), self._waiting.popleft()
                self._busy.add(process)
            self._give(process, chunk)

    def _give(self, process: Process, chunk: Chunk) -> None:
        process.chunks_taken += 1
        try:
            future = getattr(process.actor, chunk.method).remote(*chunk.args).future()
        except BaseException as error:  # such as an argument that cannot be pickled, or a session that has ended
            self._on_ended(process, chunk, error)
        else:
            future.add_done_callback(functools.partial(self._on_answer, process, chunk))

    def _on_answer(self, process: Process, chunk: Chunk, answer: Future[ChunkResult]) -> None:
        self._on_ended(process, chunk, answer.exception() or answer.result())

    def _on_ended(self, process: Process, chunk: Chunk, outcome: Outcome) -> None:
        is_spent = self._chunks_max is not None and process.chunks_taken >= self._chunks_max
        is_over = is_spent or isinstance(outcome, ActorDiedError)
        with self._lock:
            self._busy.discard(process)
            if not is_over:
                self._idle.append(process)
            elif self._waiting or not self._is_closing:
                self._idle.append(Process(self._make_actor()))
        self._hand_on()
        chunk.done(outcome)
        self._end_if_done()

    def _end_if_done(self) -> None:
        with self._lock:
            if self._is_closing and not self._waiting and not self._busy:
                self._idle.clear()  # with their last handle the actors end
                self._over.set()
