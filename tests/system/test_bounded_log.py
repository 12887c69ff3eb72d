"""The log outgrows its memory: the archiver moves it to disk, is killed, and finds no room; nothing is lost unsaid."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import cellray
import psutil
import pytest
from cellray.errors import LogError
from cellray.gcs.address import parse_address
from cellray.gcs.clients import make_client
from cellray.gcs.keys import session_keys
from cellray.ids import ObjectId, SessionId, TaskId, producer_of
from cellray.model import fact as told
from cellray.node.archives import archive_of
from cellray.observe import LogFold, LogFollower
from cellray.observe.ledger import FoldLimits

from tests.helpers.control import StatusReader
from tests.helpers.homes import ARENA_BYTES, own_home, session_of_two
from tests.helpers.leaks import processes_of
from tests.helpers.polling import eventually
from tests.helpers.processes import redis_server_of
from tests.helpers.small_disk import enlarge, small_disk
from tests.helpers.warned import warned

MEMORY_BYTES_MAX = 8 * 1024 * 1024
UNDER_WAY_BYTES = 2 * 1024 * 1024
"""What commands that are just carried out take beside the log."""
BATCH = 10_000
SLOW_S = 90.0


@pytest.fixture
def home(status_reader: StatusReader) -> Iterator[str]:
    """With an archive, and little memory for the log."""
    with pytest.MonkeyPatch.context() as environment, own_home(archive=True) as folder:
        environment.setenv("CELLRAY_LOG_MEMORY_BYTES_MAX", str(MEMORY_BYTES_MAX))
        yield folder


@cellray.remote
def same(x: int) -> int:
    return x


def run(batches: int) -> list[TaskId]:
    """Tasks in batches; the ids of the first and the last one."""
    ids: list[TaskId] = []
    for _ in range(batches):
        refs = [same.remote(number) for number in range(BATCH)]
        assert cellray.get(refs) == list(range(BATCH))
        ids += [producer_of(ObjectId(ref.binary())) for ref in (refs[0], refs[-1])]
    return [ids[0], ids[-1]]


def used_bytes(session: cellray.Session) -> int:
    client = make_client(parse_address(session.gcs_url), 5)
    try:
        info = client.info("memory")
        return int(info["used_memory"]) - int(info["mem_not_counted_for_evict"])
    finally:
        client.close()


def first_in_memory(session: cellray.Session) -> int:
    """The oldest sequence that Redis still has."""
    client = make_client(parse_address(session.gcs_url), 5)
    try:
        entries = client.xrange(session_keys(SessionId(session.session_id)).log, count=1)
        return int(entries[0][0].partition(b"-")[0])
    finally:
        client.close()


def archivers(home: str) -> list[psutil.Process]:
    return [process for process in processes_of(home) if "cellray.node.archiver" in process.cmdline()]


def whole_fold(log: cellray.Log) -> LogFold:
    return log.fold(FoldLimits(tasks_max=100))


def check_whole(log: cellray.Log, tasks: int) -> None:
    assert whole_fold(log).totals() == {"finished": tasks}
    assert log.gaps == []
    assert log.missed_records == 0


@pytest.mark.timeout(400)
def test_memory_stays_below_its_limit_and_everything_is_found(session: cellray.Session, home: str) -> None:
    first, last = run(12)
    eventually(lambda: first_in_memory(session) > 1, "something was moved to the archive", SLOW_S)
    assert used_bytes(session) <= MEMORY_BYTES_MAX + UNDER_WAY_BYTES
    with cellray.open_log() as log:
        eventually(lambda: last in log.history.find([last]), "the last task is in the log", SLOW_S)
        found = log.history.find([first, last])
        assert found.keys() == {first, last}
        assert {told.TasksSubmitted, told.TasksDispatched, told.TaskFinished} <= {
            type(entry.fact) for entry in found[first].facts
        }
        assert found[first].function is not None
        eventually(lambda: whole_fold(log).totals() == {"finished": 12 * BATCH}, "the whole log is read", SLOW_S)
        assert log.gaps == []
    assert len(cellray.timeline(limit=10) or []) > 10
    cellray.shutdown()
    with cellray.open_log(session.session_id) as log:
        check_whole(log, 12 * BATCH)
        assert log.history.find([first, last]).keys() == {first, last}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("what", ["the archiver", "redis-server"])
def test_what_is_killed_again_and_again_loses_and_doubles_nothing(
    session: cellray.Session, home: str, what: str
) -> None:
    victims: set[int] = set()
    for number in range(6):
        run(3)
        (archiver,) = eventually(lambda: archivers(home), f"archiver {number} runs", SLOW_S)
        victim = archiver if what == "the archiver" else redis_server_of(session.address)
        if victim.pid not in victims:
            victims.add(victim.pid)
            os.kill(victim.pid, signal.SIGKILL)
    assert len(victims) > 1
    run(1)
    cellray.shutdown()
    with cellray.open_log(session.session_id) as log:
        check_whole(log, 19 * BATCH)


@pytest.mark.timeout(400)
def test_a_follower_that_was_left_behind_reads_on_from_the_archive(session: cellray.Session, home: str) -> None:
    from cellray.node.archives import read_session

    follower = LogFollower(
        read_session(session.gcs_url, SessionId(session.session_id)), LogFold(FoldLimits(tasks_max=100))
    )
    run(12)
    eventually(lambda: first_in_memory(session) > 1, "something was moved to the archive", SLOW_S)
    assert follower.sequence == 0, "it has not read yet, and its beginning is not in Redis any more"
    assert follower.wait_for(lambda fold: fold.totals() == {"finished": 12 * BATCH}, SLOW_S)
    assert follower.missed_records == 0
    follower.close()


@pytest.mark.timeout(400)
def test_a_full_quota_gives_up_the_oldest_and_says_so(home: str) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CELLRAY_LOG_ARCHIVE_BYTES_MAX", "300000")
        too_much = "gives up its oldest part: the logs on disk may take 300000 bytes"
        with warned(too_much), session_of_two() as session:
            run(12)

            def given_up() -> int:
                with cellray.open_log() as log:
                    return whole_fold(log).forgotten_records

            forgotten = eventually(given_up, "a fact tells of records that were given up", SLOW_S)
        with cellray.open_log(session.session_id) as log:
            assert log.missed_records >= forgotten
            assert log.gaps[0].first == 1
            told_so = [entry.fact for entry in log.history.iter() if isinstance(entry.fact, told.LogForgotten)]
            assert "CELLRAY_LOG_ARCHIVE_BYTES_MAX" in told_so[0].reason


@pytest.mark.timeout(400)
def test_without_an_archive_the_oldest_is_given_up_and_work_goes_on(home: str) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CELLRAY_LOG_ARCHIVE_BYTES_MAX", "0")
        with warned("the archive is switched off"), session_of_two() as session:
            run(12)
            eventually(lambda: first_in_memory(session) > 1, "something was given up", SLOW_S)
            assert used_bytes(session) <= MEMORY_BYTES_MAX + UNDER_WAY_BYTES
            with cellray.open_log() as log:
                eventually(lambda: whole_fold(log).forgotten_records, "a fact tells of it", SLOW_S)
        assert not archive_of(SessionId(session.session_id)).exists()


@pytest.mark.timeout(400)
def test_on_a_full_disk_work_goes_on_and_what_is_given_up_is_said(home: str) -> None:
    disk = Path(home, "archive")
    with small_disk(disk, 400_000):
        with warned("gives up its oldest part: .*(No space left on device|disk is full.*Make room)"):
            session = cellray.init(num_cpus=2, object_store_memory=ARENA_BYTES, log_to_driver=False)
            run(12)
            assert used_bytes(session) <= MEMORY_BYTES_MAX + UNDER_WAY_BYTES

            def given_up() -> int:
                with cellray.open_log() as log:
                    return whole_fold(log).forgotten_records

            eventually(given_up, "a fact tells of records that were given up", SLOW_S)
            run(2)
        with warned("cannot be moved to its archive: .*No space left on device.* make room, and call cellray.open_log"):
            cellray.shutdown()
        with pytest.raises(LogError, match=r"No space left on device.*Make room"):
            cellray.open_log(session.session_id)
        enlarge(disk, 64_000_000)
        with cellray.open_log(session.session_id) as log:
            fold = whole_fold(log)
            assert fold.session_ended_at
            assert fold.totals()["finished"] < 14 * BATCH
            told_so = [entry.fact for entry in log.history.iter() if isinstance(entry.fact, told.LogForgotten)]
            said = {record for fact in told_so for record in range(fact.first, fact.last + 1)}
            missing = {record for gap in log.gaps for record in range(gap.first, gap.last + 1)}
            assert missing
            assert missing <= said, "nothing is missing that was not said to be"
            assert all(re.search("No space left on device|disk is full", fact.reason) for fact in told_so)


@pytest.mark.timeout(400)
def test_where_no_archive_can_be_made_work_goes_on_until_there_is_a_place(home: str) -> None:
    place = Path(home, "archive")
    place.write_text("a file where the folder should be")
    with warned("gives up its oldest part: the archive cannot be written: .*Not a directory"):
        session = cellray.init(num_cpus=2, object_store_memory=ARENA_BYTES, log_to_driver=False)
        run(8)
        assert used_bytes(session) <= MEMORY_BYTES_MAX + UNDER_WAY_BYTES
    with warned("cannot be moved to its archive"):
        cellray.shutdown()
    place.unlink()
    with cellray.open_log(session.session_id) as log:
        fold = whole_fold(log)
        assert fold.session_ended_at
        assert fold.forgotten_records
        assert log.gaps[0].first == 1
