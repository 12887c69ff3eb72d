"""`cellray.open_log`: the log of a session that runs, has ended or was killed, as it is read."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import cellray
import duckdb
import pandas as pd
import pytest
from cellray.errors import LogError, LogVersionError, SessionError
from cellray.ids import ObjectId, SessionId, TaskId, producer_of
from cellray.launch import is_running
from cellray.model import fact as told
from cellray.model.fact import LOG_SCHEMA_VERSION
from cellray.node.archives import archive_of
from cellray.node.settings import SessionFolder

from tests.helpers.control import StatusReader
from tests.helpers.homes import own_home, session_of_two
from tests.helpers.polling import eventually
from tests.helpers.processes import redis_server_of

TASKS = 1000
ENDS = (told.TaskFinished, told.TaskFailed)


@pytest.fixture
def home(status_reader: StatusReader) -> Iterator[str]:
    """With an archive."""
    with own_home(archive=True) as folder:
        yield folder


@cellray.remote
def double(x: int) -> int:
    return 2 * x


@cellray.remote
def wait_for_ever() -> None:
    signal.pause()


def task_of(ref: cellray.ObjectRef) -> TaskId:
    return producer_of(ObjectId(ref.binary()))


def segments(session_id: str) -> list[Path]:
    return sorted(archive_of(SessionId(session_id)).glob("facts-*.parquet"))


def test_the_log_of_this_session_answers_for_a_task_and_folds(session: cellray.Session) -> None:
    refs = [double.remote(number) for number in range(TASKS)]
    assert cellray.get(refs)[-1] == 2 * TASKS - 2
    stored = cellray.put([1, 2])
    task_id = task_of(refs[500])
    with cellray.open_log() as log:
        eventually(
            lambda: (
                isinstance(log.history.find([task_id])[task_id].facts[-1].fact, ENDS)
                and log.history.find_puts([ObjectId(stored.binary())])
            ),
            "the end of the task is in the log",
        )
        found = log.history.find([task_id])[task_id]
        assert found.spec.index == 500
        assert found.function is not None
        assert "return 2 * x" in found.function.source
        kinds = [type(entry.fact) for entry in found.facts]
        assert kinds[0] is told.TasksSubmitted
        assert set(kinds[1:]) >= {told.TasksDispatched, told.TaskFinished}
        eventually(lambda: log.fold().totals() == {"finished": TASKS}, "all tasks have ended in the log")
    with cellray.open_log(session.address) as same:
        assert same.session_id == session.session_id
        assert same.history.find([task_id]).keys() == {task_id}


def test_without_a_session_there_is_no_log_to_open(home: str) -> None:
    with pytest.raises(SessionError, match=r"call cellray.init\(\) first"):
        cellray.open_log()


def test_a_log_outlives_its_session_and_opens_in_other_programs(home: str) -> None:
    with session_of_two() as session:
        refs = [double.remote(number) for number in range(TASKS)]
        cellray.get(refs)
        task_id = task_of(refs[7])
        running = [wait_for_ever.remote() for _ in range(3)]
        eventually(lambda: cellray.observe.session_status()["tasks"]["running"] == 2, "two tasks run")
        del refs
    del running
    with cellray.open_log(session.session_id) as log:
        fold = log.fold()
        assert fold.totals() == {"finished": TASKS, "cancelled": 3}
        assert fold.session_ended_at
        assert all(job.ended_at for job in fold.jobs.values())
        found = log.history.find([task_id])[task_id]
        assert {told.TasksSubmitted, told.TaskFinished} <= {type(entry.fact) for entry in found.facts}
        assert log.gaps == []
        assert len(log.lineage().to_snapshot().tasks) == TASKS + 3
        facts, tasks = log.to_pandas(), log.to_pandas("tasks")
    assert sum(facts.kind == "TaskFinished") == TASKS
    assert tasks[tasks.task_id == task_id.hex()].function.tolist() == ["double"]
    files = [str(path) for path in segments(session.session_id)]
    assert len(pd.concat(map(pd.read_parquet, files))) == len(facts)
    ended = duckdb.sql(
        f"select count(*) from read_parquet({files}) where kind = 'TaskFinished' and happened_at is not null"
    )
    assert ended.fetchall() == [(TASKS,)]


@pytest.mark.parametrize("victim", ["node", "redis"])
def test_the_log_of_a_killed_session_is_read_as_ended(home: str, victim: str) -> None:
    started = cellray.init(num_cpus=2, log_to_driver=False)
    cellray.get([double.remote(number) for number in range(TASKS)])
    left = wait_for_ever.remote()
    with cellray.open_log() as live:
        everything = {"finished": TASKS, "running": 1}
        eventually(lambda: live.fold().totals() == everything, "everything is in the log")
    node = int(Path(started.address, "node.pid").read_text())
    if victim == "redis":
        # Both at once: a server that dies alone is started again.
        redis_server_of(started.address).kill()
    os.kill(node, signal.SIGKILL)
    eventually(lambda: not is_running(SessionFolder(started.address)), "the node has ended")
    del left
    path = started.address if victim == "node" else started.session_id
    with cellray.open_log(path) as log:
        fold = log.fold()
    assert fold.totals() == {"finished": TASKS, "cancelled": 1}
    assert "lost with the session" in list(fold.tasks.values())[-1].error
    assert not any(record.state_name == "running" for record in fold.tasks.values())
    cellray.shutdown()
    with cellray.open_log(started.session_id) as again:
        assert again.fold().totals() == fold.totals()


def test_what_is_no_log_is_said_to_be_none(home: str) -> None:
    with pytest.raises(LogError, match="there is no log 'never'"):
        cellray.open_log("never")
    folder = Path(home, "empty")
    folder.mkdir()
    with pytest.raises(LogError, match="there is no log in"):
        cellray.open_log(folder)
    with pytest.raises(LogError, match="is a file"):
        cellray.open_log(__file__)
    folder.rmdir()


def test_a_log_of_a_newer_version_says_so(home: str) -> None:
    with session_of_two() as session:
        cellray.get(double.remote(1))
    cellray.open_log(session.session_id).close()
    description = archive_of(SessionId(session.session_id)) / "session.json"
    newer = description.read_text().replace(f'"schema":{LOG_SCHEMA_VERSION}', f'"schema":{LOG_SCHEMA_VERSION + 1}')
    description.write_text(newer)
    with pytest.raises(LogVersionError, match=f"has schema {LOG_SCHEMA_VERSION + 1}, and .* reads up to"):
        cellray.open_log(session.session_id)


def test_a_damaged_segment_is_named_and_the_rest_opens(home: str) -> None:
    with session_of_two() as session:
        cellray.get([double.remote(number) for number in range(TASKS)])
    cellray.open_log(session.session_id).close()
    (segment,) = segments(session.session_id)
    content = segment.read_bytes()
    segment.write_bytes(content[: len(content) // 2])
    with cellray.open_log(session.session_id) as log:
        assert log.fold().totals() == {}
        (gap,) = log.gaps
        assert log.missed_records == gap.last - gap.first + 1 > 3
        assert "damaged or cut short" in gap.reason
        assert segment.name in gap.reason


def test_a_rest_of_which_no_server_makes_anything_is_named_and_the_log_opens(home: str) -> None:
    started = cellray.init(num_cpus=2, log_to_driver=False)
    cellray.get([double.remote(number) for number in range(TASKS)])
    os.kill(int(Path(started.address, "node.pid").read_text()), signal.SIGKILL)
    eventually(lambda: not is_running(SessionFolder(started.address)), "the node has ended")
    Path(started.address, "appendonly.aof").write_bytes(b"*1\r\n$9\r\nNOCOMMAND\r\n" * 10)
    with cellray.open_log(started.address) as log:
        assert log.fold().session_ended_at
        (gap,) = log.gaps
        assert gap[:2] == (1, 1)
        assert "the rest of the log could not be read: redis-server ended" in gap.reason
    assert (archive_of(SessionId(started.session_id)) / "tail.damaged").is_dir()
