"""Sessions: started, found, joined, looked at, ended; and who may."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray import Session
from cellray.exceptions import SessionLostError
from cellray.node.settings import SessionFolder

from tests.helpers.control import StatusReader
from tests.helpers.event_log import facts_once, of_type, read_facts
from tests.helpers.gates import Gate
from tests.helpers.leaks import processes_of, wait_nothing_left
from tests.helpers.polling import eventually
from tests.helpers.redis import redis_server
from tests.helpers.scripts import run_script, running_script

IDLE_DRIVER = """
import sys, time, cellray
session = cellray.init(num_cpus=1, object_store_memory=64_000_000)
print("ready", session.address, flush=True)
time.sleep(600)
"""


@cellray.remote
def add(a: int, b: int = 1) -> int:
    return a + b


@cellray.remote
def wait_at(gate: Gate, value: Any = None) -> Any:
    gate.arrive(value)
    gate.pass_through()
    return value


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cellray.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_status_on_the_command_line(session: Session, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    held = [wait_at.remote(gate, i) for i in range(3)]
    gate.wait_arrived(2)
    assert cellray.get([add.options(num_cpus=0).remote(i) for i in range(5)]) == list(range(1, 6))
    big = cellray.put(b"x" * 20_000_000)
    answer = cli("status")
    assert answer.returncode == 0, answer
    assert session.session_id in answer.stdout
    assert session.address in answer.stdout
    for line in (
        r"drivers   1",
        r"tasks     1 ready, 5 finished, 2 running|tasks     .*2 running.*5 finished",
        r"resources 0 of 2 CPU free",
        r"objects   20.0 of 200 MB",
        r"GCS       unix:///\S+redis.sock, \d+ log records",
        r"workers   \d+ \(.*2 busy",
    ):
        assert re.search(line, answer.stdout), f"{line}\n{answer.stdout}"
    assert SessionFolder(session.address).read_token() not in answer.stdout
    gate.open()
    assert cellray.get(held) == [0, 1, 2]
    del big


def test_stop_on_the_command_line(home: str, session: Session) -> None:
    ref = wait_at.remote(Gate(Path(home), "x"))
    eventually(lambda: list(Path(home).glob("x.arrived*")), "the task runs")
    answer = cli("stop", "--address", session.address)
    assert (answer.returncode, answer.stdout) == (0, f"session {session.session_id} ended\n"), answer
    with pytest.raises(SessionLostError, match="cellray stop"):
        cellray.get(ref, timeout=30)
    for path in Path(home).glob("x.*"):
        path.unlink()
    wait_nothing_left(home)
    for arguments in (("status",), ("stop",), ("status", "--address", session.address)):
        answer = cli(*arguments)
        assert answer.returncode == 1
        assert "session" in answer.stderr
        assert "cellray.init()" in answer.stderr


def test_stop_all(home: str) -> None:
    with running_script(IDLE_DRIVER) as first, running_script(IDLE_DRIVER) as second:
        addresses = {script.expect("ready") for script in (first, second)}
        answer = cli("stop", "--all")
        assert answer.returncode == 0, answer
        assert sorted(answer.stdout.splitlines()) == sorted(f"session {Path(each).name} ended" for each in addresses)
        eventually(lambda: {each.pid for each in processes_of(home)} <= {first.pid, second.pid}, "all sessions ended")


def test_the_control_service_wants_the_token(session: Session) -> None:
    output = run_script(
        """
        import sys
        from cellray.node.control_client import ControlClient
        from cellray.errors import SessionLostError
        from cellray.node.settings import SessionFolder
        folder = SessionFolder(sys.argv[1])
        for token in ("", "0" * 64):
            with ControlClient(folder.control_socket, token) as control:
                for call in (control.status, lambda: control.stop("by a stranger")):
                    try:
                        print(call())
                    except SessionLostError as error:
                        print("token" in str(error))
        with ControlClient(folder.control_socket, folder.read_token()) as control:
            print(control.status().session_id)
        """,
        session.address,
    )
    assert output.stdout.split() == ["True"] * 4 + [session.session_id], output
    assert cellray.get(add.remote(1)) == 2


def test_the_folder_is_closed_to_others(home: str, session: Session, status_reader: StatusReader) -> None:
    assert status_reader.read(session.address)  # by now all files are there
    others = stat.S_IRWXG | stat.S_IRWXO
    paths = [Path(session.address), *Path(session.address).rglob("*")]
    assert {path.name for path in paths} >= {"token", "node.sock", "control.sock", "redis.sock", "session.json", "logs"}
    assert stat.S_IMODE(os.stat(home).st_mode) == stat.S_IMODE(os.stat(session.address).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(SessionFolder(session.address).token).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(SessionFolder(session.address).node_socket).st_mode) & others == 0
    token = SessionFolder(session.address).read_token()
    for process in processes_of(home):
        assert token not in " ".join(process.cmdline())
        assert token not in repr(process.environ())
    assert token not in repr(session)


def test_two_sessions_side_by_side(session: Session, status_reader: StatusReader) -> None:
    with running_script(IDLE_DRIVER) as other:
        address = other.expect("ready")
        assert address != session.address
        assert cellray.get([add.remote(i) for i in range(20)]) == list(range(1, 21))
        assert status_reader.read(address).tasks["finished"] == 0
        assert status_reader.read(session.address).tasks["finished"] == 20
        answer = run_script("import cellray; print(cellray.init('auto').address)")
        assert answer.stdout.strip() == address, "the latest one is found"
    eventually(lambda: not os.path.exists(address), "the other one has ended")
    assert cellray.get(add.remote(1)) == 2


def test_one_after_the_other_in_one_process() -> None:
    seen = set()
    for number in range(3):
        with cellray.init(num_cpus=1, object_store_memory=64_000_000) as session:
            seen.add(session.session_id)
            assert cellray.get(add.remote(number)) == number + 1
            assert cellray.current_session() is session
        assert not cellray.is_initialized()
    assert len(seen) == 3
    cellray.shutdown()  # does nothing


def test_a_session_is_started_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLRAY_NUM_CPUS", "3")
    assert cellray.get(add.remote(1)) == 2
    assert cellray.cluster_resources()["CPU"] == 3


def test_joining_a_session(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
        import os, sys, cellray
        argument = sys.argv[1]
        session = cellray.init(argument) if argument else cellray.init()
        print(session.owner, session.address, cellray.get(cellray.remote(lambda: 5).remote()))
        cellray.shutdown()
    """
    for argument in ("auto", session.address, ""):
        environment = {} if argument else {"CELLRAY_ADDRESS": session.address}
        answer = run_script(code, argument, environment=environment)
        assert answer.stdout.split() == ["False", session.address, "5"], answer
    assert cellray.get(add.remote(1)) == 2
    answer = run_script("import cellray; print(cellray.init('local', num_cpus=1).address)")
    assert answer.stdout.strip() not in ("", session.address), answer


def test_the_log_may_be_kept_by_a_server_of_ones_own(tmp_path: Path, home: str) -> None:
    with redis_server(tmp_path, password="se@cret/1") as port:
        url = f"redis://:se%40cret%2F1@127.0.0.1:{port}/0"
        session = cellray.init(url, num_cpus=1, object_store_memory=64_000_000)
        assert cellray.get([add.remote(i) for i in range(10)]) == list(range(1, 11))
        assert not any("redis-server" in " ".join(each.cmdline()) for each in processes_of(home))
        from cellray.model.fact import SessionEnded, TaskFinished

        facts_once(session, lambda facts: len(of_type(facts, TaskFinished)) == 10, "all is logged")
        answer = cli("status")
        assert f"redis://127.0.0.1:{port}/0" in answer.stdout, answer
        assert "cret" not in answer.stdout
        cellray.shutdown()
        ended = of_type(read_facts(session), SessionEnded)
        assert len(ended) == 1, "the log outlives the session, with its end"


def test_a_folder_of_a_session_that_was_killed_is_swept_away(home: str) -> None:
    dead = Path(home, "0101-000000-abcdef")
    dead.mkdir()
    finished = subprocess.Popen([sys.executable, "-c", ""])
    finished.wait()
    (dead / "node.pid").write_text(str(finished.pid))
    with pytest.raises(SessionLostError):
        cellray.init("auto")
    with cellray.init(num_cpus=1, object_store_memory=64_000_000):
        assert not dead.exists()


def test_a_session_may_be_started_and_used_by_any_thread() -> None:
    results: list[Any] = []

    def use() -> None:
        cellray.init(num_cpus=1, object_store_memory=64_000_000)
        results.append(cellray.get([add.remote(i) for i in range(10)]))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert results == [list(range(1, 11))]
    assert cellray.get(add.remote(1)) == 2, "the session does not end with the thread that started it"
