"""What breaks: workers, the template, Redis, the node, drivers, and what comes over the socket."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cellray
import msgspec
import numpy as np
import psutil
import pytest
from cellray import Session
from cellray.exceptions import SessionLostError, TaskError, WorkerCrashedError
from cellray.model.fact import TaskFailed, TaskFinished, TaskRetried, WorkerExited
from cellray.node.settings import SessionFolder
from cellray.wire import FrameKind, Hello, Refused, pack_frame, unpack_header

from tests.helpers.control import StatusReader
from tests.helpers.event_log import facts_once, of_type, submitted
from tests.helpers.gates import Gate
from tests.helpers.leaks import processes_of, wait_nothing_left
from tests.helpers.polling import eventually
from tests.helpers.scripts import run_script, running_script


@cellray.remote
def add(a: int, b: int = 1) -> int:
    return a + b


@cellray.remote
def wait_at(gate: Gate, value: Any = None) -> Any:
    gate.arrive(value)
    gate.pass_through()
    return value


@cellray.remote(max_retries=0)
def end_myself(how: str) -> None:
    os.write(1, b"last words\n")
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)


def process_named(home: str, words: str) -> psutil.Process:
    """The process of the session with these words in its command line, the oldest of them."""

    def look() -> list[psutil.Process]:
        return [each for each in processes_of(home) if words in " ".join(each.cmdline())]

    # One that was killed before may be on its way back.
    return min(eventually(look, f"a process with {words!r}"), key=lambda each: each.create_time())


def assert_works() -> None:
    assert cellray.get([add.remote(i) for i in range(50)], timeout=60) == list(range(1, 51))


def test_a_task_whose_worker_dies_is_tried_again(session: Session, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    ref = wait_at.options(max_retries=3, num_cpus=2).remote(gate, 7)
    behind = [add.remote(i) for i in range(20)]
    for attempt in range(1, 4):
        gate.wait_arrived(attempt)
        os.kill(newest(gate), signal.SIGKILL)
    gate.wait_arrived(4)
    gate.open()
    assert cellray.get(ref, timeout=60) == 7
    assert cellray.get(behind) == list(range(1, 21))
    facts = facts_once(session, lambda facts: len(of_type(facts, TaskFinished)) == 21, "all is logged")
    assert [fact.attempt for fact in of_type(facts, TaskRetried)] == [1, 2, 3]
    assert [fact.signal for fact in of_type(facts, WorkerExited)] == [9, 9, 9]


def newest(gate: Gate) -> int:
    (pid,) = [pid for pid in set(gate.pids) if psutil.pid_exists(pid)]
    return pid


@pytest.mark.usefixtures("session")
def test_when_no_retries_are_left_the_error_says_what_happened(tmp_path: Path) -> None:
    cases = (("exit", "exited with code 3", "os._exit"), ("kill", r"was killed by SIGKILL \(9\)", "memory"))
    for how, what, advice in cases:
        with pytest.raises(WorkerCrashedError, match=what) as caught:
            cellray.get(end_myself.remote(how), timeout=60)
        text = str(caught.value)
        assert "end_myself" in text
        assert "last words" in text
        assert advice in text
    gate = Gate(tmp_path)
    ref = wait_at.options(max_retries=1).remote(gate)
    for attempt in (1, 2):
        gate.wait_arrived(attempt)
        os.kill(newest(gate), signal.SIGKILL)
    with pytest.raises(WorkerCrashedError, match="attempt 2 and the last"):
        cellray.get(ref, timeout=60)
    with pytest.raises(WorkerCrashedError):
        cellray.get(add.remote(ref))
    assert_works()


def test_an_idle_worker_that_dies_is_replaced(session: Session, status_reader: StatusReader) -> None:
    assert_works()

    def pids() -> set[int]:
        return {worker.pid for worker in status_reader.read(session.address).workers}

    eventually(lambda: len(pids()) == 2, "both workers are there")
    before = pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(pids() - before) == 2, "both are replaced")
    assert_works()


def test_space_for_a_result_that_was_never_finished_is_free_again(
    session: Session, status_reader: StatusReader
) -> None:
    @cellray.remote(max_retries=2)
    def dies_when_writing() -> Any:
        from cellray.store import MappedStore

        def write(self: Any, offset: int, parts: Any) -> int:
            os.kill(os.getpid(), signal.SIGKILL)
            return 0

        MappedStore.write = write  # type: ignore[method-assign]
        return np.ones(10_000_000)

    with pytest.raises(WorkerCrashedError):
        cellray.get(dies_when_writing.remote(), timeout=60)
    eventually(lambda: status_reader.read(session.address).object_store_used_bytes == 0, "the space is free")
    assert_works()


def test_a_worker_that_dies_loses_no_results_of_others(session: Session) -> None:
    @cellray.remote(max_retries=10)
    def sometimes_dies(i: int, folder: str) -> int:
        marker = Path(folder, f"died-{i}")
        if i % 50 == 7 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    folder = os.path.dirname(session.address)
    deaths = Path(folder, "deaths")
    deaths.mkdir()
    refs = [sometimes_dies.remote(i, str(deaths)) for i in range(300)]
    assert cellray.get(refs, timeout=60) == list(range(300))
    assert len(list(deaths.iterdir())) == 6
    for path in deaths.iterdir():
        path.unlink()
    deaths.rmdir()


def test_without_its_template_the_session_ends_with_a_reason(home: str, session: Session, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    ref = wait_at.remote(gate)
    gate.wait_arrived()
    process_named(home, "engines.template").kill()
    with pytest.raises(SessionLostError, match="template"):
        cellray.get(ref, timeout=60)
    with pytest.raises(SessionLostError, match=r"cellray.init\(\)"):
        add.remote(1)
    assert Path(session.address).name


def test_tasks_go_on_while_redis_is_killed_and_the_log_is_complete(home: str, session: Session) -> None:
    results: list[int] = []
    kills = 0
    for round_number in range(6):
        refs = [add.remote(i, round_number) for i in range(500)]
        if round_number in (1, 3):
            process_named(home, "redis-server").kill()
            kills += 1
        results += cellray.get(refs, timeout=60)
    assert results == [i + round_number for round_number in range(6) for i in range(500)]
    facts = facts_once(session, lambda facts: len(of_type(facts, TaskFinished)) >= 3000, "all is logged")
    assert kills == 2
    finished = Counter(fact.task_id for fact in of_type(facts, TaskFinished))
    assert finished == Counter(submitted(facts).keys())
    assert not of_type(facts, TaskFailed)


def test_when_the_node_is_killed_those_who_wait_are_told(home: str, session: Session, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    ref = wait_at.remote(gate)
    gate.wait_arrived()
    future = ref.future()
    process_named(home, "node.main").kill()
    with pytest.raises(SessionLostError, match=r"cellray.init\(\)"):
        cellray.get(ref, timeout=60)
    with pytest.raises(SessionLostError):
        future.result(60)
    with pytest.raises(SessionLostError):
        cellray.put(1)
    # A new session may be started right away, as one does in a notebook.
    fresh = cellray.init(num_cpus=1, object_store_memory=64_000_000)
    assert fresh.session_id != session.session_id
    assert_works()
    with pytest.raises(SessionLostError, match="session that has ended"):
        cellray.get(ref)
    eventually(lambda: not os.path.exists(session.address), "the dead session's folder is gone")


DRIVER = """
import multiprocessing, os, subprocess, sys, time, cellray
session = cellray.init(num_cpus=2, object_store_memory=64_000_000)
@cellray.remote
def busy(i):
    if i == 0:
        time.sleep(600)
    while True:
        pass
refs = [busy.remote(i) for i in range(2)] + [cellray.put(b"x" * 10_000_000)]
cellray.wait(refs[:1], timeout=0.2)
"""


@pytest.mark.parametrize("end", ["killed", "killed with forked children", "exits", "raises"])
def test_nothing_survives_its_driver(home: str, end: str) -> None:
    rest = {
        "killed": "print('ready', 0, flush=True); time.sleep(600)",
        "killed with forked children": (
            "p = multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,)); p.start()\n"
            "print('ready', p.pid, flush=True); time.sleep(600)"
        ),
        "exits": "print('ready', 0, flush=True)",
        "raises": "print('ready', 0, flush=True); raise RuntimeError",
    }[end]
    with running_script(DRIVER + rest) as script:
        child = int(script.expect("ready"))
        try:
            if "killed" in end:
                script.signal(signal.SIGKILL)
            assert script.wait() == {"killed": -9, "killed with forked children": -9, "exits": 0, "raises": 1}[end]
            eventually(
                lambda: not [each for each in processes_of(home) if each.pid != child], "all processes are gone", 5
            )
            if child:
                os.kill(child, 0)  # it lives, and holds the driver's sockets
        finally:
            if child:
                os.kill(child, signal.SIGKILL)
        wait_nothing_left(home)


def test_a_second_driver_is_told_when_the_owner_ends() -> None:
    owner = """
        import cellray
        session = cellray.init(num_cpus=2, object_store_memory=64_000_000)
        print("ready", session.address, flush=True)
        input()
    """
    with running_script(owner.replace("        ", "").replace("input()", "import time; time.sleep(600)")) as script:
        address = script.expect("ready")
        joined = cellray.init("auto")
        assert (joined.owner, joined.address) == (False, address)
        assert_works()
        ref = cellray.remote(lambda: __import__("time").sleep(600)).remote()
        script.signal(signal.SIGKILL)
        with pytest.raises(SessionLostError, match="the session has ended: its driver"):
            cellray.get(ref, timeout=60)
        eventually(lambda: not os.path.exists(address), "the session is gone")


def test_a_second_driver_that_ends_takes_only_its_tasks_along(session: Session, status_reader: StatusReader) -> None:
    other = """
import time, cellray
cellray.init("auto")
@cellray.remote
def busy():
    time.sleep(600)
refs = [busy.remote() for _ in range(4)] + [cellray.put(b"x" * 10_000_000)]
cellray.wait(refs[:1], timeout=0.2)
print("ready", flush=True)
time.sleep(600)
"""
    mine = cellray.put(1)
    with running_script(other) as script:
        script.expect("ready")
        assert status_reader.read(session.address).drivers == 2
        script.signal(signal.SIGKILL)
        script.wait()
    assert_works()
    assert cellray.get(mine) == 1
    eventually(lambda: status_reader.read(session.address).object_store_used_bytes == 0, "its objects are freed")
    assert status_reader.read(session.address).drivers == 1


def talk(path: str, *pieces: bytes) -> bytes:
    """What the node answers until it closes the connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(path)
        answer = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except (BrokenPipeError, ConnectionResetError):
            pass
        return answer


def hello(token: str, role: str = "driver") -> bytes:
    return pack_frame(FrameKind.HELLO, msgspec.msgpack.encode(Hello(token, role, os.getpid())))


def refusal(answer: bytes) -> str:
    kind, length = unpack_header(answer, 100_000)
    assert kind == FrameKind.REFUSED
    return msgspec.msgpack.decode(answer[6 : 6 + length], type=Refused).reason


def test_what_is_malformed_closes_its_connection_only(session: Session, status_reader: StatusReader) -> None:
    folder = SessionFolder(session.address)
    token = folder.read_token()
    strangers = {
        "wrong token": hello("0" * 64),
        "unknown role": hello(token, "king"),
        "first frame must be a hello": pack_frame(FrameKind.FACTS, b"\x90"),
        "frame version": b"GET / HTTP/1.1\r\n\r\n",
        "exceeds the limit": b"\xff\xff\xff\x7f\x01\x01",
        "before it said hello": b"\x10",
        "": pack_frame(FrameKind.HELLO, b"\xc1"),
    }
    for words, piece in strangers.items():
        assert words in refusal(talk(folder.node_socket, piece)), words
    members = (
        pack_frame(FrameKind.FACTS, b"\xc1 no msgpack"),
        pack_frame(FrameKind.FACTS, msgspec.msgpack.encode([[99, 1, 2]])),
        pack_frame(FrameKind.FACTS, msgspec.msgpack.encode([[18, b"x"]])),
        pack_frame(FrameKind.COMMANDS, b"\x90"),
        pack_frame(77, b"\x90"),
        b"\xff\xff\xff\x7f\x01\x04",
        b"\x01\x00\x00\x00\x63\x04\x90",
        os.urandom(1000),
    )
    for piece in members:
        answer = talk(folder.node_socket, hello(token), piece)
        assert unpack_header(answer, 100_000)[0] == FrameKind.WELCOME
    assert_works()
    eventually(lambda: status_reader.read(session.address).drivers == 1, "the others are gone")


def test_a_worker_that_sends_nonsense_is_replaced(session: Session) -> None:
    @cellray.remote(max_retries=0)
    def corrupt() -> None:
        from cellray.api import current

        engine: Any = current.require_engine()
        engine.channel._socket.sendall(b"\x01\x00\x00\x00\x63\x04\x90")

    with pytest.raises(WorkerCrashedError):
        cellray.get(corrupt.remote(), timeout=60)
    assert_works()


@pytest.mark.usefixtures("session")
def test_a_task_that_starts_processes_of_its_own(tmp_path: Path) -> None:
    @cellray.remote
    def spawn(gate: Gate) -> int:
        import subprocess

        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        gate.arrive(child.pid)
        gate.pass_through()
        child.kill()
        return child.wait()

    gate = Gate(tmp_path)
    ref = spawn.remote(gate)
    gate.wait_arrived()
    cellray.cancel(ref, force=True)
    with pytest.raises(cellray.exceptions.TaskCancelledError):
        cellray.get(ref, timeout=60)
    assert_works()  # and the leak check finds no process of the task


@pytest.mark.usefixtures("session")
def test_a_worker_that_dies_while_a_process_forked_by_its_task_lives(tmp_path: Path) -> None:
    @cellray.remote(max_retries=1)
    def fork_and_die(gate: Gate) -> None:
        if os.fork() == 0:
            gate.arrive()
            gate.pass_through()
        gate.wait_arrived(1)
        os.kill(os.getpid(), signal.SIGKILL)

    gate = Gate(tmp_path)
    with pytest.raises(WorkerCrashedError, match="attempt 2 and the last"):
        cellray.get(fork_and_die.remote(gate), timeout=60)
    for child in gate.pids:
        eventually(lambda child=child: not psutil.pid_exists(child), "what the task forked is gone")  # type: ignore[misc]
    assert_works()


@pytest.mark.usefixtures("session")
def test_errors_of_tasks_whose_module_the_driver_lacks() -> None:
    @cellray.remote
    def raise_foreign() -> None:
        import types

        module = types.ModuleType("foreign_module")
        exec("class ForeignError(Exception): pass", module.__dict__)
        sys.modules["foreign_module"] = module
        raise module.ForeignError("from elsewhere")

    with pytest.raises(TaskError, match="from elsewhere"):
        cellray.get(raise_foreign.remote())
    assert_works()


def test_a_script_that_ends_with_tasks_under_way_ends_cleanly() -> None:
    output = run_script(DRIVER)
    assert (output.returncode, output.stdout, output.stderr) == (0, "", "")
