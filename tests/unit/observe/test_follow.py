"""The follower: reads a log on its thread, catches up, survives outages, wakes listeners in measure, and ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cellray.clock import ManualClock
from cellray.config import Config
from cellray.gcs.memory import MemoryLog, MemoryLogReader, MemoryLogWriter, Outage
from cellray.model.fact import Fact, encode_facts
from cellray.observe.changes import Changes
from cellray.observe.follow import LogFollower, Notice
from cellray.observe.messages import GraphDelta
from cellray.observe.view import GraphView
from cellray.ports import LogRecord

from tests.unit.observe.story import NODE, Story, template

LOAD = template("load")
TIMEOUT_S = 30.0


class Log:
    """A log in memory, and its writing end."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.reader = MemoryLogReader(self.log)
        self._writer = MemoryLogWriter(self.log)

    def write(self, facts: list[Fact]) -> None:
        self.write_bytes(encode_facts(facts))

    def write_bytes(self, payload: bytes) -> None:
        record = LogRecord(len(self.log.records) + 1, NODE, 0, payload)
        asyncio.run(self._writer.append([record]))


@contextmanager
def following(log: Log, interval_ms: float = 0.0, clock: ManualClock | None = None) -> Iterator[LogFollower]:
    config = Config(follow_interval_ms=interval_ms)
    follower = LogFollower(log.reader, config=config, clock=clock or ManualClock(1.0))
    before = threading.active_count()
    try:
        yield follower
    finally:
        follower.close()
        assert threading.active_count() <= before


class Ear:
    """A listener that waits until it has heard enough."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.noticed = 0
        self._more = threading.Condition()

    def listen(self, changes: Changes) -> Notice:
        with self._more:
            self.heard.append(len(changes.tasks))
            self._more.notify_all()
        return self._notice

    def _notice(self) -> None:
        with self._more:
            self.noticed += 1
            self._more.notify_all()

    def wait_for_tasks(self, count: int) -> bool:
        with self._more:
            return self._more.wait_for(lambda: sum(self.heard) >= count, TIMEOUT_S)

    def wait_for_notices(self, count: int) -> bool:
        with self._more:
            return self._more.wait_for(lambda: self.noticed >= count, TIMEOUT_S)


def test_it_starts_when_somebody_wants_to_know() -> None:
    log, story = Log(), Story()
    story.submit(LOAD, 3)
    log.write(story.facts)
    with following(log) as follower:
        assert follower.sequence == 0
        assert follower.wait_for(lambda fold: fold.submitted == 3, TIMEOUT_S)
        assert follower.sequence == 1


def test_it_catches_up_with_a_long_log_and_goes_on() -> None:
    log, story = Log(), Story()
    log.write(story.facts)
    for _ in range(1200):
        before = len(story.facts)
        story.submit(LOAD)
        log.write(story.facts[before:])
    with following(log) as follower:
        assert follower.wait_for(lambda fold: fold.submitted == 1200, TIMEOUT_S)
        before = len(story.facts)
        story.submit(LOAD)
        log.write(story.facts[before:])
        assert follower.wait_for(lambda fold: fold.submitted == 1201, TIMEOUT_S)


def test_waiting_ends_with_the_time_and_with_closing() -> None:
    with following(Log()) as follower:
        assert not follower.wait_for(lambda fold: fold.submitted == 1, 0.0)
        waiter = threading.Thread(target=follower.wait_for, args=(lambda fold: False, TIMEOUT_S))
        waiter.start()
        follower.close()
        waiter.join(TIMEOUT_S)
        assert not waiter.is_alive()


def test_listeners_are_told_outside_the_lock_and_until_they_leave() -> None:
    log, story, ear = Log(), Story(), Ear()
    with following(log) as follower:
        leave = follower.listen(ear.listen)
        story.submit(LOAD, 2)
        log.write(story.facts)
        assert ear.wait_for_tasks(2)
        assert ear.wait_for_notices(1)
        leave()
        before, heard = len(story.facts), len(ear.heard)
        story.submit(LOAD)
        log.write(story.facts[before:])
        assert follower.wait_for(lambda fold: fold.submitted == 3, TIMEOUT_S)
        assert len(ear.heard) == heard


def test_listeners_are_told_once_in_an_interval() -> None:
    log, story, ear, clock = Log(), Story(), Ear(), ManualClock(1.0)
    with following(log, interval_ms=1.0, clock=clock) as follower:
        story.submit(LOAD)
        log.write(story.facts)
        follower.listen(ear.listen)
        assert ear.wait_for_tasks(1)
        for _ in range(20):
            before = len(story.facts)
            story.submit(LOAD)
            log.write(story.facts[before:])
        assert follower.wait_for(lambda fold: fold.submitted == 21, TIMEOUT_S)
        # The clock stands: the interval has not passed, however much came.
        assert len(ear.heard) == 1
        clock.advance(0.01)
        assert ear.wait_for_tasks(21)
        assert len(ear.heard) == 2


def test_a_pause_of_the_gcs_is_told_and_survived() -> None:
    log, story, ear = Log(), Story(), Ear()
    clock = ManualClock(50.0)
    log.log.set_outage(Outage.REFUSES)
    with following(log, clock=clock) as follower:
        follower.listen(ear.listen)
        assert ear.wait_for_notices(1)
        assert follower.disconnected_since == 50.0
        log.log.set_outage(Outage.NONE)
        story.submit(LOAD)
        log.write(story.facts)
        assert follower.wait_for(lambda fold: fold.submitted == 1, TIMEOUT_S)
        assert follower.disconnected_since is None


def test_records_that_are_not_understood_or_gone_are_counted() -> None:
    log, story = Log(), Story()
    story.submit(LOAD)
    log.write_bytes(b"\xc1")
    log.write(story.facts)
    log.log.records = [record._replace(sequence=record.sequence + 5) for record in log.log.records]
    with following(log) as follower:
        assert follower.wait_for(lambda fold: fold.submitted == 1, TIMEOUT_S)
        assert (follower.unreadable_records, follower.missed_records) == (1, 5)
        assert GraphView(follower).snapshot().missed_records == 6, "a view says so"


def test_a_listener_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    log, story, ear = Log(), Story(), Ear()

    def broken(changes: Changes) -> Notice:
        raise RuntimeError("drawn on the wrong wall")

    with following(log) as follower:
        follower.listen(broken)
        follower.listen(ear.listen)
        story.submit(LOAD)
        log.write(story.facts)
        assert ear.wait_for_tasks(1)
    assert "no longer told" in caplog.text


def test_a_view_is_fed_by_its_follower() -> None:
    log, story = Log(), Story()
    deltas: list[GraphDelta] = []
    came = threading.Condition()

    def take(delta: GraphDelta) -> None:
        with came:
            deltas.append(delta)
            came.notify_all()

    with following(log) as follower:
        view = GraphView(follower, clock=ManualClock(1.0))
        leave = view.subscribe(take)
        ids = story.submit(LOAD)
        story.dispatch(10, ids)
        log.write(story.facts)
        with came:
            assert came.wait_for(lambda: any(delta.tasks for delta in deltas), TIMEOUT_S)
        assert deltas[0].reset
        assert [task.state for task in view.snapshot().tasks] == ["running"]
        assert view.snapshot().sequence == deltas[-1].sequence
        leave()
        leave()
