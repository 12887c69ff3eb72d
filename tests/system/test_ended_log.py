"""The log of an ended session when several processes want it, its disk takes nothing, or who works at it is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cellray.errors import LogError
from cellray.node.archives import archives_home
from cellray.node.ended_session import remove_session_folder, take_log
from cellray.node.open_archive import open_path
from cellray.node.settings import SessionFolder

from tests.helpers.archives import check_finished, ended_session, home_of_logs, opened, read_all, records, unfinished
from tests.helpers.leaks import processes_of
from tests.helpers.locks import held_by_another_process, is_waited_for
from tests.helpers.polling import eventually
from tests.helpers.small_disk import enlarge, small_disk

NAME = "ended"


@pytest.fixture(autouse=True)
def home() -> Iterator[Path]:
    with home_of_logs() as folder:
        yield folder
        eventually(lambda: not processes_of(str(folder)), "nobody finishes a log in the background any more")


@pytest.fixture
def session(home: Path) -> SessionFolder:
    return ended_session(home / NAME, records(1, 200))


def check_opens(path: str | Path) -> None:
    """With everything that was in it."""
    open_path(path).reader.close()
    check_finished(archives_home() / NAME, 200)


def test_who_opens_the_log_waits_for_the_process_that_takes_it(session: SessionFolder) -> None:
    with ThreadPoolExecutor() as pool, held_by_another_process(session.settings):
        opened = pool.submit(check_opens, session.path)
        eventually(lambda: is_waited_for(session.settings), "it waits")
        assert not opened.done()
    opened.result()


def test_of_processes_that_come_at_once_one_moves_the_log_and_all_read_the_whole(
    session: SessionFolder, home: Path
) -> None:
    program = (
        "import sys\n"
        "from cellray.node import ended_session, open_archive\n"
        "from cellray.node.settings import SessionFolder\n"
        "print(flush=True); input()\n"
        "if sys.argv[1] == 'open':\n"
        "    reader = open_archive.open_path(sys.argv[2]).reader\n"
        "    print(len(reader.read(0, 1000)), reader.gaps, flush=True)\n"
        "else:\n"
        "    ended_session.remove_session_folder(SessionFolder(sys.argv[2]))\n"
    )
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", program, how, session.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for how in ("open", "remove", "open", "remove")
    ]
    for rival in rivals:
        assert rival.stdout is not None
        assert rival.stdout.readline()
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write("\n")
        rival.stdin.flush()
    said = [rival.communicate(timeout=60)[0] for rival in rivals]
    assert [rival.returncode for rival in rivals] == [0] * 4
    assert said == ["201 []\n", "", "201 []\n", ""]
    assert not os.path.exists(session.path)
    check_opens(NAME)


def test_a_log_that_its_archive_cannot_take_stays_and_the_error_says_what_to_do(
    session: SessionFolder, home: Path
) -> None:
    archives_home().write_text("a file in the place of the folder")
    with pytest.raises(
        LogError, match=r"cannot be moved to .*Make room there, or name another place with CELLRAY_HOME"
    ):
        open_path(NAME)
    archives_home().unlink()
    check_opens(NAME)
    assert not os.path.exists(session.path)


def test_a_disk_too_full_for_a_copy_keeps_the_log_where_it_is_and_has_its_room_back(
    session: SessionFolder, home: Path
) -> None:
    """Real: the disk of the archive holds less than the log."""
    other = home / "small"
    with small_disk(other, 65536), pytest.MonkeyPatch.context() as environment:
        os.truncate(os.path.join(session.path, "appendonly.aof"), 1_000_000)
        environment.setenv("CELLRAY_HOME", str(other))
        with pytest.raises(LogError, match=r"cannot be moved to .*No space left on device.*Make room"):
            open_path(session.path)
        assert not list(archives_home().rglob("*.part"))
        assert os.stat(os.path.join(session.path, "appendonly.aof")).st_size == 1_000_000
        error = remove_session_folder(session)
        assert "No space left on device" in str(error)
        assert sorted(os.listdir(session.path)) == ["appendonly.aof", "session.json", "token"]
        remove_session_folder(session, for_good=True)
        assert not os.path.exists(session.path)
        enlarge(other, 1_000_000)
        reader = open_path(NAME).reader
        (gap,) = reader.gaps
        reader.close()
        assert "could not be moved here when its session ended" in gap.reason
        eventually(lambda: not processes_of(str(other)), "nobody is at it any more")


KILLED = """
import os, signal, sys
from pathlib import Path
from cellray.gcs.archive import segment, writer
from cellray.node import finish_archive

left = int(sys.argv[1])

def before_each_step(event, arguments):
    global left
    changes = event in ("os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "sqlite3.connect")
    if changes or event == "open" and str(arguments[0]).startswith(sys.argv[2]) and arguments[1] in ("wb", "w"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(before_each_step)
finish_archive.finish(Path(sys.argv[2]))
"""


def finish_killed_at_each_step(folder: Path) -> None:
    """Each is killed one step later than the one before, on what that one left; the last one comes to its end."""
    steps = 0
    while True:
        steps += 1
        ended = subprocess.run(
            [sys.executable, "-c", KILLED, str(steps), folder],
            capture_output=True,
            env=os.environ | {"TMPDIR": os.environ["CELLRAY_HOME"]},  # what it cannot remove goes with that
            check=False,
        )
        if not ended.returncode:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert steps > 8


@pytest.mark.timeout(180)
def test_whatever_step_it_is_killed_at_the_next_one_goes_on(home: Path) -> None:
    folder = unfinished(home / NAME, records(1, 200))
    finish_killed_at_each_step(folder)
    check_finished(folder, 200)


@pytest.mark.timeout(180)
def test_also_when_the_rest_is_damaged(home: Path) -> None:
    folder = unfinished(home / NAME, records(1, 200))
    (folder / "tail" / "appendonly.aof").write_bytes(b"*1\r\n$9\r\nNOCOMMAND\r\n" * 10)
    finish_killed_at_each_step(folder)
    with opened(folder) as reader:
        (end,) = read_all(reader)
        assert end.sequence == 2
        (gap,) = reader.gaps
        assert "the rest of the log could not be read: redis-server ended" in gap.reason


def test_an_archive_that_takes_nothing_is_an_error_at_once(home: Path) -> None:
    folder = unfinished(home / NAME, records(1, 200))
    (folder / "index.sqlite" / "in its place").mkdir(parents=True)
    with pytest.raises(LogError, match=r"cannot be brought to its archive: .*index.sqlite"):
        open_path(NAME)
    shutil.rmtree(folder / "index.sqlite")
    open_path(NAME).reader.close()
    check_finished(folder, 200)


def test_the_archive_of_a_killed_session_is_opened_with_what_its_folder_has(home: Path) -> None:
    """By the archive's own path, while nobody has swept the session's folder."""
    session = ended_session(home / NAME, records(1, 200))
    archive = take_log(session)
    assert archive is not None
    shutil.move(archive / "tail" / "appendonly.aof", session.path)
    (archive / "tail").rmdir()
    open_path(archives_home() / NAME).reader.close()
    check_finished(archive, 200)
    assert not os.path.exists(session.path)
