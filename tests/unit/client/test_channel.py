"""A client's channel against a peer that reads and writes frames as told."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Iterator

import pytest
from cellray.client.channel import BESIDE_S, Channel
from cellray.errors import SessionLostError
from cellray.ids import ClientId, ObjectId, TaskId, TemplateId
from cellray.model.command import ClientCommand, Warn, command_encoder
from cellray.model.fact import (
    Fact,
    ObjectsHeld,
    ObjectsReleased,
    TasksSubmitted,
    WorkerBlocked,
    decode_facts,
)
from cellray.model.task import TaskSpec
from cellray.wire import Frame, FrameKind, FrameReader, pack_frame

from tests.helpers.polling import eventually

TIMEOUT_S = 20
PARENT, OTHER = TaskId(b"parent"), TaskId(b"other")


class Ends:
    """Both ends: the channel with what it handed on, and the node's side of the socket."""

    def __init__(self, flush_ms: float) -> None:
        self.node, client = socket.socketpair()
        self.node.settimeout(TIMEOUT_S)
        self.got: deque[str] = deque()
        self.arrived = threading.Condition()
        self.closed: list[str] = []
        self._reader = FrameReader(1 << 20)
        self.channel = Channel(
            client,
            on_commands=self._on_commands,
            on_closed=self.closed.append,
            before_flush=lambda *, all_of_it: None,
            has_more=lambda: False,
            flush_ms=flush_ms,
            batch_max=100,
            frame_bytes_max=1 << 20,
            clock=lambda: 5.0,
        )

    def _on_commands(self, commands: list[ClientCommand]) -> None:
        with self.arrived:
            self.got.extend(command.message for command in commands if isinstance(command, Warn))
            self.arrived.notify_all()

    def say(self, message: str) -> None:
        """The node sends a command."""
        self.node.sendall(pack_frame(FrameKind.COMMANDS, command_encoder.encode([Warn(message)])))

    def frames(self) -> list[Frame]:
        """What the node gets next."""
        frames: list[Frame] = []
        while not frames:
            frames = self._reader.feed(self.node.recv(1 << 16))
        return frames

    def wait_handed_on(self, message: str) -> None:
        """Until the background thread has handed it on: nobody else reads."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: message in self.got, TIMEOUT_S)

    def close(self) -> None:
        self.channel.close("the test is over")
        self.node.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends(flush_ms=1.0)
    yield made
    made.close()


@pytest.fixture
def lazy_ends() -> Iterator[Ends]:
    """What is not sent by hand leaves after a minute."""
    made = Ends(flush_ms=60_000)
    yield made
    made.close()


def spec(index: int) -> TaskSpec:
    return TaskSpec(index, TemplateId(1))


def facts_of(frames: list[Frame]) -> list[tuple[int, list[Fact]]]:
    return [(kind, decode_facts(payload)) for kind, payload in frames]


def test_tasks_of_one_parent_are_one_fact_and_unlogged_facts_have_frames_of_their_own(lazy_ends: Ends) -> None:
    channel = lazy_ends.channel
    blocked = WorkerBlocked(ClientId(1), 1.0)
    held, released = ObjectsHeld([ObjectId(b"a")]), ObjectsReleased([ObjectId(b"b")])
    with channel.outgoing.sending:  # the background thread, which the first one wakes, must not send a part of them
        for parent, index in ((PARENT, 0), (PARENT, 1), (OTHER, 0), (PARENT, 2)):
            channel.add_task(parent, spec(index))
        for fact in (held, released, blocked):
            channel.add(fact)
        channel.add_task(PARENT, spec(3))
    channel.flush()
    assert facts_of(lazy_ends.frames()) == [
        (
            FrameKind.FACTS,
            [
                TasksSubmitted(PARENT, 5.0, [spec(0), spec(1)]),
                TasksSubmitted(OTHER, 5.0, [spec(0)]),
                TasksSubmitted(PARENT, 5.0, [spec(2)]),
            ],
        ),
        (FrameKind.REQUESTS, [held, released]),
        (FrameKind.FACTS, [blocked, TasksSubmitted(PARENT, 5.0, [spec(3)])]),
    ]


def test_a_full_batch_leaves_at_once(lazy_ends: Ends) -> None:
    for index in range(100):
        lazy_ends.channel.add_task(PARENT, spec(index))
    arrived = 0
    while arrived < 100:
        for _, facts in facts_of(lazy_ends.frames()):
            arrived += sum(len(fact.tasks) for fact in facts if isinstance(fact, TasksSubmitted))


@pytest.mark.parametrize("rest_s", [0.0, 3 * BESIDE_S], ids=["hot", "cold"])
def test_a_fact_leaves_by_itself(ends: Ends, rest_s: float) -> None:
    time.sleep(rest_s)  # the background thread has gone to sleep then
    ends.channel.add(ObjectsHeld([ObjectId(b"a")]))
    assert facts_of(ends.frames()) == [(FrameKind.REQUESTS, [ObjectsHeld([ObjectId(b"a")])])]


def test_waiting_sends_what_is_buffered_first(lazy_ends: Ends) -> None:
    channel = lazy_ends.channel
    channel.add_task(PARENT, spec(0))
    assert not channel.wait_until(lambda: False, 0.001)
    assert lazy_ends.frames()


@pytest.mark.parametrize("rest_s", [0.0, 3 * BESIDE_S], ids=["hot", "cold"])
def test_after_a_reader_has_left_the_background_hands_on_what_comes(ends: Ends, rest_s: float) -> None:
    for turn in range(3):
        timer = threading.Timer(rest_s, ends.say, [f"waited for {turn}"])
        timer.start()
        assert ends.channel.wait_until(lambda turn=turn: f"waited for {turn}" in ends.got, TIMEOUT_S)  # type: ignore[misc]
        timer.join()
        ends.say(f"nobody waits {turn}")
        ends.wait_handed_on(f"nobody waits {turn}")


def test_what_comes_for_one_thread_is_handed_on_while_another_reads(ends: Ends) -> None:
    results: list[bool] = []

    def wait(message: str) -> None:
        results.append(ends.channel.wait_until(lambda: message in ends.got, TIMEOUT_S))

    threads = [threading.Thread(target=wait, args=(f"for {i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for i in (2, 0, 3, 1):
        ends.say(f"for {i}")
        threads[i].join(TIMEOUT_S)
        assert not threads[i].is_alive()
    assert results == [True] * 4


def test_what_another_thread_hands_on_between_a_look_and_the_wait_is_seen(ends: Ends) -> None:
    def done() -> bool:
        has_come = "now" in ends.got
        if not has_come:
            ends.say("now")
            ends.wait_handed_on("now")
        return has_come

    assert ends.channel.wait_until(done, timeout_s=5.0)


def test_whoever_waits_is_told_when_the_node_hangs_up(ends: Ends) -> None:
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            ends.channel.wait_until(lambda: False)
        except SessionLostError as error:
            errors.append(error)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    ends.node.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert len(errors) == 3
    assert len(ends.closed) == 1
    with pytest.raises(SessionLostError):
        ends.channel.wait_until(lambda: False, 1)
    assert ends.channel.wait_until(lambda: True, 1)


def test_turns_that_are_answered_soon_and_one_that_never_is(ends: Ends) -> None:
    def answer() -> None:
        for turn in range(100):
            ends.frames()
            ends.say(f"answer {turn}")
        ends.frames()
        ends.node.shutdown(socket.SHUT_RDWR)

    node = threading.Thread(target=answer)
    node.start()
    for turn in range(100):
        ends.channel.add(WorkerBlocked(ClientId(1), float(turn)))
        assert ends.channel.wait_until(lambda: len(ends.got) > turn, TIMEOUT_S)  # noqa: B023 - called at once
    assert list(ends.got) == [f"answer {turn}" for turn in range(100)]
    ends.channel._is_answered_soon = True
    assert not ends.channel.wait_until(lambda: False, 0.01), "not longer than was asked for"
    ends.channel._is_answered_soon = True
    ends.channel.add(WorkerBlocked(ClientId(1), 1.0))
    with pytest.raises(SessionLostError):
        ends.channel.wait_until(lambda: False, TIMEOUT_S)
    node.join()


def test_what_is_kept_for_somebody_to_flush_is_flushed_when_nobody_does(ends: Ends, lazy_ends: Ends) -> None:
    first, second = WorkerBlocked(ClientId(1), 1.0), WorkerBlocked(ClientId(1), 2.0)
    lazy_ends.channel.keep(first)
    assert not lazy_ends.channel._has_to_flush()
    with lazy_ends.channel.outgoing.sending:
        lazy_ends.channel.add(second)
        assert lazy_ends.channel._has_to_flush()
    lazy_ends.channel.flush()
    assert facts_of(lazy_ends.frames()) == [(FrameKind.FACTS, [first, second])]
    ends.channel.keep(first)
    ends.channel.nudge()
    assert facts_of(ends.frames()) == [(FrameKind.FACTS, [first])]


def test_nobody_looks_after_who_waits_for_long_until_the_end_of_it(ends: Ends) -> None:
    waiting = threading.Thread(target=ends.channel.wait_until, args=(lambda: "at last" in ends.got, TIMEOUT_S))
    waiting.start()
    eventually(lambda: ends.channel.is_away and ends.channel._reading.locked(), "the background thread sleeps")
    ends.channel.add(WorkerBlocked(ClientId(1), 1.0))
    assert ends.frames(), "what others add leaves all the same"
    eventually(lambda: ends.channel.is_away, "it sleeps again")
    ends.say("at last")
    waiting.join(TIMEOUT_S)
    ends.say("nobody waits")
    ends.wait_handed_on("nobody waits")


def test_who_leaves_results_to_gather_goes_on_when_another_thread_waits_too(ends: Ends) -> None:
    is_asked = threading.Event()

    def pause_s() -> float:
        is_asked.set()
        return 1000.0

    results: list[bool] = []
    patient = threading.Thread(
        target=lambda: results.append(ends.channel.wait_until(lambda: "b" in ends.got, pause_s=pause_s))
    )
    patient.start()
    ends.say("a")
    assert is_asked.wait(TIMEOUT_S)
    ends.say("b")
    assert ends.channel.wait_until(lambda: "b" in ends.got, TIMEOUT_S)
    patient.join(TIMEOUT_S)
    assert results == [True]


def test_a_pause_ends_with_the_time_for_the_wait(ends: Ends) -> None:
    ends.say("a")
    assert not ends.channel.wait_until(lambda: "b" in ends.got, 0.02, pause_s=lambda: 1000.0)
    assert "a" in ends.got
