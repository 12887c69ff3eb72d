"""The event loop of async actors: awake between turns that follow each other soon, and on time otherwise."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

from cellray.worker.event_loop import EagerLoop

TURNS = 200
TIMEOUT_S = 20


def test_turns_timers_and_other_threads_come_through() -> None:
    ours, theirs = socket.socketpair()
    theirs.settimeout(TIMEOUT_S)
    loop = EagerLoop()
    got: list[bytes] = []
    fired: list[float] = []

    def answer() -> None:
        got.append(ours.recv(10))
        ours.sendall(got[-1])

    def talk() -> None:
        for turn in range(TURNS):
            theirs.sendall(b"%03d" % turn)
            assert theirs.recv(10) == b"%03d" % turn
        due = time.monotonic() + 0.05
        loop.call_soon_threadsafe(lambda: loop.call_later(0.05, end, due))

    def end(due: float) -> None:
        fired.append(time.monotonic() - due)
        loop.stop()

    loop.add_reader(ours, answer)
    talker = threading.Thread(target=talk)
    talker.start()
    loop.call_later(TIMEOUT_S, loop.stop)
    loop.run_forever()
    talker.join()
    assert got == [b"%03d" % turn for turn in range(TURNS)]
    assert len(fired) == 1
    assert fired[0] >= 0
    asyncio.set_event_loop(None)
    loop.close()
    ours.close()
    theirs.close()
