"""What users get wrong: one clear message at once, and a session that works afterwards."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray.exceptions import (
    CellrayError,
    GcsUnavailableError,
    ObjectStoreFullError,
    SerializationError,
    SessionLostError,
    SessionStartError,
    TaskError,
    TaskUnschedulableError,
)

from tests.helpers.redis import chatterbox, free_port, redis_server
from tests.helpers.scripts import run_script

Case = tuple[Callable[[], Any], type[BaseException], str]
LOCK = threading.Lock()


@cellray.remote
def add(a: int, b: int = 1) -> int:
    return a + b


@pytest.fixture
def works_afterwards(session: cellray.Session) -> Iterator[None]:
    """The session is usable at the end."""
    yield
    assert cellray.get(add.remote(1)) == 2


def check(cases: list[Case]) -> None:
    """Each call raises the error, with the words in this order in its message."""
    for number, (call, kind, words) in enumerate(cases):
        with pytest.raises(kind, match=words):
            pytest.fail(f"case {number} gave {call()!r} instead of {kind.__name__}: {words}")


@pytest.mark.usefixtures("works_afterwards")
def test_options_and_decorators() -> None:
    class Asking:
        async def ask(self) -> None:
            """Not yet."""

    async def coroutine() -> None:
        """Not for us."""

    check(
        [
            (lambda: add.options(num_cpu=1), ValueError, "Invalid option keyword num_cpu .*Did you mean 'num_cpus'"),
            (lambda: cellray.remote(speed=1), ValueError, "Invalid option keyword speed .*Valid ones are .*num_cpus"),
            (lambda: add.options(num_cpus=-1), ValueError, "num_cpus=-1: give a number of at least 0"),
            (lambda: add.options(num_cpus="2"), ValueError, "num_cpus='2'"),
            (lambda: add.options(num_cpus=True), ValueError, "num_cpus=True"),
            (lambda: add.options(num_cpus=float("nan")), ValueError, "num_cpus=nan"),
            (lambda: add.options(num_cpus=float("inf")), ValueError, "num_cpus=inf"),
            (lambda: add.options(num_cpus=0.00001).remote(1), ValueError, "CPU=1e-05.*multiple of 1/10000"),
            (lambda: add.options(num_returns=-1), ValueError, "num_returns=-1"),
            (lambda: add.options(num_returns=1.0), ValueError, "num_returns=1.0"),
            (lambda: add.options(max_retries=-2), ValueError, "max_retries=-2.*-1 to retry without end"),
            (lambda: add.options(retry_exceptions=1), TypeError, "retry_exceptions=1: give True, False or a list"),
            (lambda: add.options(retry_exceptions=[1]), ValueError, "must be either a boolean or a list of exceptions"),
            (lambda: add.options(max_calls=1), ValueError, "'max_calls' is not supported in '.options\\(\\)'"),
            (lambda: cellray.remote(max_calls=-1), ValueError, "max_calls=-1.*0 for no limit"),
            (lambda: add.options(num_returns="streaming"), ValueError, "add is not a generator function"),
            (lambda: add.options(label_selector={"a": "b"}), ValueError, "label_selector.*has no labels"),
            (lambda: add.options(enable_task_events=1), TypeError, "enable_task_events=1: give True or False"),
            (lambda: add.options(_metadata=1), TypeError, "_metadata=1: give a dict"),
            (lambda: add.options(_generator_backpressure_num_objects=0), ValueError, "=0 is not allowed"),
            (lambda: add.options(name=3), TypeError, "name=3: give a string"),
            (lambda: add.options(resources=["a"]), TypeError, "resources=.*give a dict"),
            (lambda: add.options(resources={"CPU": 1}), ValueError, "use the option 'num_cpus'"),
            (lambda: add.options(resources={"a": -1}), ValueError, "resources\\['a'\\]=-1"),
            (lambda: add.options(resources={"a": float("nan")}), ValueError, "resources\\['a'\\]=nan"),
            (lambda: add(1), TypeError, "cannot be called directly.*'add.remote\\(\\)'"),
            (lambda: cellray.remote(num_returns=1)(Asking), ValueError, "unknown option 'num_returns' of an actor"),
            (lambda: cellray.remote(coroutine), ValueError, "'async def'.*coroutine"),
            (lambda: cellray.remote(3), TypeError, "@remote"),
            (lambda: cellray.remote(num_cpus=1)(3), TypeError, "function"),
            (cellray.remote, TypeError, "@remote"),
            (lambda: cellray.remote(add), TypeError, "remote already"),
            (lambda: add.remote(1, c=3) and cellray.get(add.remote(1, c=3)), TypeError, "'c'"),
        ]
    )


@pytest.mark.usefixtures("works_afterwards")
def test_references_where_values_belong_and_the_other_way_round() -> None:
    ref = cellray.put(1)
    check(
        [
            (lambda: cellray.get(1), ValueError, "Invalid type of object refs, <class 'int'>"),  # type: ignore[arg-type]
            (lambda: cellray.get((ref,)), ValueError, "Invalid type of object refs, <class 'tuple'>"),
            (lambda: cellray.get([ref, 2]), TypeError, "`get` on the value 2"),  # type: ignore[list-item]
            (lambda: cellray.get([[ref]]), TypeError, "`get` on the value"),  # type: ignore[list-item]
            (lambda: cellray.get(add), ValueError, "Invalid type of object refs"),
            (lambda: cellray.get(ref, timeout=-1), ValueError, "timeout=-1"),
            (lambda: cellray.get(ref, timeout="1"), ValueError, "timeout='1'"),  # type: ignore[arg-type]
            (lambda: cellray.put(ref), TypeError, "Calling 'put' on a cellray.ObjectRef is not allowed"),
            (lambda: cellray.wait(ref), TypeError, "got a single"),  # type: ignore[arg-type]
            (lambda: cellray.wait((ref,)), TypeError, "expected a list.*tuple"),  # type: ignore[arg-type]
            (lambda: cellray.wait([1]), TypeError, "list with 1"),  # type: ignore[list-item]
            (lambda: cellray.wait([ref, ref]), ValueError, "unique"),
            (lambda: cellray.wait([ref], num_returns=0), ValueError, "Invalid number of objects to return 0"),
            (lambda: cellray.wait([ref], num_returns=2), ValueError, "num_returns cannot be greater"),
            (lambda: cellray.wait([ref], timeout=-1), ValueError, "timeout=-1"),
            (lambda: cellray.cancel(ref), ValueError, "stored with put"),
            (lambda: cellray.cancel(1), TypeError, "only supports object refs"),  # type: ignore[arg-type]
        ]
    )


@pytest.mark.usefixtures("works_afterwards")
def test_what_cannot_be_pickled_is_named() -> None:
    connection = threading.Lock()

    @cellray.remote
    def with_closure() -> Any:
        return connection

    @cellray.remote
    def with_global() -> Any:
        return LOCK

    @cellray.remote
    def returns_lock() -> Any:
        return {"inner": threading.Lock()}

    with_global._function.__module__ = "__main__"  # by value, as from a notebook
    check(
        [
            (lambda: add.remote(1, connection), SerializationError, "`b`.*lock"),
            (lambda: add.remote(a=[1, {"k": connection}]), SerializationError, "`a`.*lock"),
            (lambda: add.remote(sys.stdout), SerializationError, "`a`"),
            (lambda: cellray.put([connection]), TypeError, "lock"),
            (with_closure.remote, SerializationError, "connection"),
            (with_global.remote, SerializationError, "LOCK"),
            (lambda: cellray.get(returns_lock.remote()), TaskError, "return value of.*returns_lock.*lock"),
        ]
    )


@pytest.mark.usefixtures("works_afterwards")
def test_asking_for_what_the_session_does_not_have() -> None:
    check(
        [
            (lambda: cellray.get(add.options(num_cpus=3).remote(1)), TaskUnschedulableError, "3 CPU.*has 2.*2 CPU"),
            (
                lambda: cellray.get(add.options(resources={"accelerator": 1}).remote(1)),
                TaskUnschedulableError,
                "1 accelerator.*has 0.*init\\(",
            ),
            (lambda: cellray.get(add.options(num_gpus=1).remote(1)), TaskUnschedulableError, "1 GPU"),
            (lambda: cellray.put(bytes(300_000_000)), ObjectStoreFullError, "286.1 MB does not fit.*190.7 MB"),
            (lambda: cellray.get(cellray.remote(lambda: bytes(300_000_000)).remote()), TaskError, "does not fit"),
        ]
    )


def test_init_with_wrong_values() -> None:
    check(
        [
            (lambda: cellray.init(num_cpus=-1), ValueError, "num_cpus=-1"),
            (lambda: cellray.init(num_cpus=1.5), ValueError, "num_cpus=1.5"),  # type: ignore[arg-type]
            (lambda: cellray.init(num_gpus=-1), ValueError, "num_gpus=-1"),
            (lambda: cellray.init(num_gpus="1"), ValueError, "num_gpus='1'"),  # type: ignore[arg-type]
            (lambda: cellray.init(resources={"GPU": 1}), ValueError, "num_gpus"),
            (lambda: cellray.init(resources=3), TypeError, "give a dict"),  # type: ignore[arg-type]
            (lambda: cellray.init(object_store_memory=0), ValueError, "object_store_memory=0"),
            (lambda: cellray.init(object_store_memory=1.5), ValueError, "object_store_memory=1.5"),  # type: ignore[arg-type]
            (lambda: cellray.init(object_store_memory=10**15), ObjectStoreFullError, "asked for.*only.*init\\("),
            (lambda: cellray.init(address=3), TypeError, "address=3"),  # type: ignore[arg-type]
            (lambda: cellray.init(memory=3), TypeError, "memory"),  # type: ignore[call-arg]
            (lambda: cellray.init("auto"), SessionLostError, "no Cellray session.*cellray.init\\(\\)"),
            (lambda: cellray.init("/nowhere"), SessionLostError, "no session runs in /nowhere"),
            (lambda: cellray.init("auto", num_cpus=1), ValueError, "existing session"),
        ]
    )
    assert not cellray.is_initialized()


def test_init_with_a_redis_that_is_none(tmp_path: Path) -> None:
    check(
        [
            (lambda: cellray.init(f"redis://127.0.0.1:{free_port()}"), GcsUnavailableError, "127.0.0.1.*refused"),
            (lambda: cellray.init("redis://no-such-host.invalid:1"), GcsUnavailableError, "no-such-host"),
            (lambda: cellray.init("unix:///no/such.sock"), GcsUnavailableError, "/no/such.sock"),
            (lambda: cellray.init("redis://host:port"), ValueError, "address of the GCS"),
        ]
    )
    with chatterbox(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        check([(lambda: cellray.init(f"redis://127.0.0.1:{port}"), GcsUnavailableError, str(port))])
    with redis_server(tmp_path, password="right") as port:
        for user in ("", ":wrong@"):
            with pytest.raises(GcsUnavailableError, match="password") as caught:
                cellray.init(f"redis://{user}127.0.0.1:{port}")
            assert "wrong" not in str(caught.value).replace("wrong password", "")
    silent = socket.create_server(("127.0.0.1", 0))
    with silent:
        os.environ["CELLRAY_GCS_CONNECT_TIMEOUT_S"] = "0.3"
        try:
            address = f"redis://127.0.0.1:{silent.getsockname()[1]}"
            check([(lambda: cellray.init(address), GcsUnavailableError, "127.0.0.1")])
        finally:
            del os.environ["CELLRAY_GCS_CONNECT_TIMEOUT_S"]


def test_init_twice(session: cellray.Session) -> None:
    with pytest.raises(RuntimeError, match=r"init twice.*ignore_reinit_error=True"):
        cellray.init()
    assert cellray.init(ignore_reinit_error=True) == session
    assert cellray.get(add.remote(1)) == 2


def test_unknown_and_malformed_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [
        ("CELLRAY_INLINE_BYTE_MAX", "1", "unknown setting CELLRAY_INLINE_BYTE_MAX.*CELLRAY_INLINE_BYTES_MAX"),
        ("CELLRAY_TICK_MS", "fast", "CELLRAY_TICK_MS='fast'"),
        ("CELLRAY_TICK_MS", "-1", "CELLRAY_TICK_MS='-1' is negative"),
        ("CELLRAY_NUM_CPUS", "two", "CELLRAY_NUM_CPUS='two'"),
    ]
    for name, value, words in cases:
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(ValueError, match=words):
                cellray.init()
    with monkeypatch.context() as patch:
        folder = Path(os.environ["CELLRAY_HOME"], "open")
        folder.mkdir(mode=0o755)
        patch.setenv("CELLRAY_HOME", str(folder))
        with pytest.raises(SessionStartError, match="mode 0700"):
            cellray.init()
        folder.rmdir()
    with monkeypatch.context() as patch:
        folder = Path(os.environ["CELLRAY_HOME"], "x" * 100)
        patch.setenv("CELLRAY_HOME", str(folder))
        with pytest.raises(SessionStartError, match="too long"):
            cellray.init()
        folder.rmdir()


def test_a_forked_child_is_told_so() -> None:
    output = run_script("""
        import os, cellray
        cellray.init(num_cpus=1, object_store_memory=64_000_000)
        @cellray.remote
        def f(): return 1
        ref = f.remote()
        pid = os.fork()
        if pid == 0:
            for use in (lambda: cellray.get(ref), f.remote, lambda: cellray.put(1)):
                try:
                    use()
                except cellray.exceptions.SessionError as error:
                    print("child:", str(error)[:30], flush=True)
            del ref
            with cellray.init("auto"):
                print("child:", cellray.get(f.remote()), flush=True)
            raise SystemExit
        os.waitpid(pid, 0)
        print("parent:", cellray.get([ref, f.remote()]))
    """)
    told = ["child: this process was forked from o"] * 3
    assert output.stdout.splitlines() == [*told, "child: 1", "parent: [1, 1]"], output
    assert not output.stderr


@pytest.mark.usefixtures("session")
def test_references_of_an_ended_session() -> None:
    old = [cellray.put(1), add.remote(1)]
    cellray.shutdown()
    cellray.init(num_cpus=1, object_store_memory=64_000_000)
    for use in (cellray.get, cellray.wait, lambda refs: add.remote(refs[0]), lambda refs: add.remote([refs])):
        with pytest.raises(CellrayError, match="session that has ended"):
            use(old)
    with pytest.raises(SessionLostError, match="session that has ended"):
        cellray.cancel(old[1])
    with pytest.raises(SessionLostError):
        old[0].future().result(10)
    assert cellray.get(add.remote(1)) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_the_small_shared_memory_folder_of_containers_is_no_limit() -> None:
    mount = 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"'
    output = run_script(
        """
        import os, cellray, numpy
        cellray.init(num_cpus=1, object_store_memory=400_000_000)
        free = os.statvfs("/dev/shm")
        total = cellray.remote(lambda a: int(a.sum())).remote(numpy.ones(200_000_000, dtype=numpy.uint8))
        print(free.f_blocks * free.f_frsize, cellray.get(total))
        """,
        prefix=("unshare", "-m", "sh", "-c", mount, "sh"),
    )
    if "unshare" in output.stderr or "mount:" in output.stderr:
        pytest.skip(output.stderr)
    assert output.stdout.split() == [str(64 * 1024 * 1024), "200000000"], output
