"""Exceptions as bytes and back: there is always an error to show, as faithful as can be."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from cellray.errors import InternalError, TaskError, UnserializableException, WorkerCrashedError
from cellray.serialization import deserialize_exception, serialize_exception
from cellray.serialization.exception import EXCEPTION_BYTES_MAX, TEXT_CHARACTERS_MAX

RUNTIME = Path(__file__).parents[2] / "runtime"


class TwoArgumentsError(Exception):
    """Its args are not those of its constructor: the plain pickle fails when it is loaded."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class KeywordOnlyError(Exception):
    def __init__(self, *, where: str) -> None:
        super().__init__()
        self.where = where

    def __str__(self) -> str:
        return f"at {self.where}"


class RefusesError(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("never")

    __reduce_ex__ = __reduce__  # type: ignore[assignment]


class BrokenTextError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def round_trip(error: BaseException) -> TaskError:
    return deserialize_exception(serialize_exception(error, "f", "ab" * 16, "Traceback ...\nE: x\n"))


def test_a_plain_exception() -> None:
    back = round_trip(ValueError("bad seed", 3))
    assert (back.function_name, back.task_id, back.traceback_text) == ("f", "ab" * 16, "Traceback ...\nE: x\n")
    assert type(back.cause) is ValueError
    assert back.cause.args == ("bad seed", 3)
    with pytest.raises(ValueError, match="raised remotely"):
        raise back.as_instanceof_cause()


def test_attributes_and_notes_come_along() -> None:
    error = OSError(2, "not there", "/x")
    error.add_note("look elsewhere")
    error.extra = [1]  # type: ignore[attr-defined]
    cause: Any = round_trip(error).cause
    assert type(cause) is FileNotFoundError
    assert (cause.errno, cause.filename, cause.extra, cause.__notes__) == (2, "/x", [1], ["look elsewhere"])


def test_constructors_that_do_not_accept_their_own_args() -> None:
    two: Any = round_trip(TwoArgumentsError(7, "x")).cause
    assert type(two) is TwoArgumentsError
    assert (two.code, str(two)) == (7, "7: x")
    keyword: Any = round_trip(KeywordOnlyError(where="here")).cause
    assert type(keyword) is KeywordOnlyError
    assert str(keyword) == "at here"


class Thing:
    """Its repr holds its address, which is another one after the way."""


def test_addresses_in_the_text_do_not_make_a_copy_unfaithful() -> None:
    cause = round_trip(ValueError(Thing())).cause
    assert type(cause) is ValueError
    assert type(cause.args[0]) is Thing


def test_attributes_that_cannot_be_pickled_are_left_out_and_named() -> None:
    error = TwoArgumentsError(7, "x")
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    cause: Any = round_trip(error).cause
    assert type(cause) is TwoArgumentsError
    assert cause.code == 7
    assert not hasattr(cause, "lock")
    assert "attribute `lock`" in cause.__notes__[0]


def test_arguments_that_cannot_be_pickled_become_text() -> None:
    cause = round_trip(ValueError("m", threading.Lock())).cause
    assert isinstance(cause, ValueError | UnserializableException)
    assert "m" in str(cause)


def test_an_exception_that_refuses_is_rebuilt_without_asking_it() -> None:
    cause = round_trip(RefusesError("why")).cause
    assert type(cause) is RefusesError
    assert str(cause) == "why"


def test_a_class_that_cannot_be_pickled_gets_a_stand_in() -> None:
    class LostError(Exception):
        guard = threading.Lock()

    cause = round_trip(LostError("the message")).cause
    assert isinstance(cause, UnserializableException)
    assert (cause.type_name, cause.message) == (LostError.__qualname__, "the message")
    assert "could not be sent" in str(cause)
    assert str(pickle.loads(pickle.dumps(cause))) == str(cause)


def test_broken_text_huge_messages_and_tracebacks() -> None:
    assert type(round_trip(BrokenTextError("x")).cause) is BrokenTextError
    huge = round_trip(ValueError("x" * (EXCEPTION_BYTES_MAX + 1))).cause
    assert isinstance(huge, UnserializableException)
    assert "more than" in huge.reason
    assert len(huge.message) < TEXT_CHARACTERS_MAX + 100
    data = serialize_exception(ValueError(), "f", "00", "t" * 1_000_000)
    assert len(data) < TEXT_CHARACTERS_MAX + 1000
    assert "characters left out" in deserialize_exception(data).traceback_text


def test_an_error_through_two_tasks_keeps_the_type_of_the_first() -> None:
    inner = round_trip(KeyError("k")).as_instanceof_cause()
    outer = round_trip(inner)
    assert type(outer.cause) is KeyError
    assert isinstance(outer.as_instanceof_cause(), KeyError)


def test_our_own_errors_and_exits() -> None:
    assert type(round_trip(WorkerCrashedError("gone")).cause) is WorkerCrashedError
    assert type(round_trip(KeyboardInterrupt()).cause) is KeyboardInterrupt
    group: Any = round_trip(ExceptionGroup("g", [ValueError(1)])).cause
    assert [type(e) for e in group.exceptions] == [ValueError]


def test_an_exception_of_another_main_and_one_of_a_missing_module(tmp_path: Path) -> None:
    (tmp_path / "only_there.py").write_text("class Gone(Exception): pass\n")
    script = (
        "import sys, only_there\n"
        "from cellray.serialization import serialize_exception\n"
        "class Mine(Exception):\n"
        "    def __init__(self, a, b): super().__init__(a); self.b = b\n"
        "for e in (Mine('m', 2), only_there.Gone('g')):\n"
        "    data = serialize_exception(e, 'f', '00', 'tb')\n"
        "    sys.stdout.buffer.write(len(data).to_bytes(8, 'little') + data)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(RUNTIME), str(tmp_path)))}
    output = subprocess.run(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, check=True, timeout=60
    ).stdout
    size = int.from_bytes(output[:8], "little")
    mine: Any = deserialize_exception(output[8 : 8 + size]).cause
    assert (type(mine).__name__, str(mine), mine.b) == ("Mine", "m", 2)
    gone: Any = deserialize_exception(output[16 + size :]).cause
    assert isinstance(gone, UnserializableException)
    assert (gone.type_name, gone.message) == ("Gone", "g")
    assert "only_there" in gone.reason


def test_a_malformed_record_is_refused() -> None:
    for data in (b"", b"\x80", pickle.dumps((1, 2)), b"x" * 100):
        with pytest.raises(InternalError, match="malformed exception record"):
            deserialize_exception(data)
