"""Errors that tasks raise: what the user catches and reads."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray.exceptions import RayTaskError, TaskError

from tests.helpers.scripts import run_script

pytestmark = pytest.mark.usefixtures("session")


class PlainError(Exception):
    """A class of a module."""


class ArgumentsError(Exception):
    """Its constructor does not take its own `args`."""

    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(f"code {code}")
        self.code = code
        self.hint = hint


class LockedError(Exception):
    """Holds what cannot be pickled."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()
        self.number = 7


@cellray.remote
def fail(error: Any, *args: Any, **kwargs: Any) -> None:
    raise error(*args, **kwargs)


@cellray.remote
def use(value: Any) -> Any:
    return value


def error_of(ref: Any, timeout: float = 60) -> TaskError:
    with pytest.raises(TaskError) as caught:
        cellray.get(ref, timeout=timeout)
    return caught.value


def test_an_error_is_a_task_error_and_what_was_raised() -> None:
    cases: list[tuple[type[BaseException], tuple[Any, ...], dict[str, Any], str]] = [
        (ZeroDivisionError, ("by zero",), {}, "by zero"),
        (KeyError, ("key",), {}, "key"),
        (OSError, (5, "No luck"), {}, "No luck"),
        (UnicodeDecodeError, ("utf-8", b"x", 0, 1, "why"), {}, "why"),
        (StopIteration, (), {}, "StopIteration"),
        (PlainError, ("plain",), {}, "plain"),
        (ArgumentsError, (3,), {"hint": "look"}, "code 3"),
    ]
    for kind, args, kwargs, text in cases:
        error = error_of(fail.remote(kind, *args, **kwargs))
        assert isinstance(error, kind), kind
        assert isinstance(error, RayTaskError)
        assert type(error.cause) is kind
        assert text in str(error)
        assert error.function_name == "fail"
    assert error_of(fail.remote(OSError, 2, "x")).errno == 2  # type: ignore[attr-defined]
    assert error_of(fail.remote(UnicodeDecodeError, "utf-8", b"x", 0, 1, "why")).reason == "why"  # type: ignore[attr-defined]
    assert error_of(fail.remote(StopIteration, 4)).value == 4  # type: ignore[attr-defined]
    arguments = error_of(fail.remote(ArgumentsError, 3, hint="look"))
    assert (arguments.code, arguments.hint) == (3, "look")  # type: ignore[attr-defined]


def test_an_error_with_parts_that_cannot_be_pickled_arrives_without_them() -> None:
    error = error_of(fail.remote(LockedError, "locked"))
    assert isinstance(error, LockedError)
    assert error.number == 7
    assert "locked" in str(error)


def test_a_class_of_the_drivers_main_module() -> None:
    output = run_script("""
        import cellray
        class Mine(Exception):
            pass
        @cellray.remote
        def f():
            raise Mine("mine")
        try:
            cellray.get(f.remote())
        except Mine as error:
            print(isinstance(error, cellray.exceptions.TaskError), error.args)
    """)
    assert output.stdout.strip() == "True ('mine',)", output


def test_errors_that_would_end_the_driver_are_ordinary_ones_there() -> None:
    for kind in (SystemExit, GeneratorExit, asyncio.CancelledError):
        ref = fail.options(max_retries=0).remote(kind, 3)
        error = error_of(ref)
        assert not isinstance(error, kind)
        assert isinstance(error.cause, kind)
        assert kind.__name__ in str(error)

    @cellray.remote
    def leave() -> None:
        sys.exit("enough")

    assert "enough" in str(error_of(leave.remote()))


def test_the_text_shows_the_users_lines_and_no_others() -> None:
    def inner(x: int) -> float:
        return 1 / x  # the line that fails

    @cellray.remote
    def outer(x: int) -> float:
        return inner(x)

    @cellray.remote
    def nested() -> float:
        return cellray.get(outer.remote(0))

    @cellray.remote
    def handled() -> None:
        try:
            inner(0)
        except ZeroDivisionError as error:
            raise ValueError("translated") from error

    @cellray.remote
    def gets_too_early() -> None:
        cellray.get(nested.options(resources={}).remote(), timeout=0)

    text = str(error_of(outer.remote(0)))
    assert text.startswith("outer (task ")
    assert "the line that fails" in text
    assert "return inner(x)" in text
    assert text.count("ZeroDivisionError: division by zero") == 1
    both = str(error_of(handled.remote()))
    assert "the line that fails" in both
    assert "direct cause" in both
    early = str(error_of(gets_too_early.remote()))
    assert "GetTimeoutError" in early
    for shown in (text, both, early, str(error_of(nested.remote())), str(error_of(use.remote(outer.remote(0))))):
        assert "runtime/cellray" not in shown


def test_lines_of_functions_that_exist_only_in_the_driver() -> None:
    output = run_script("""
        import linecache, cellray
        source = "def typed():\\n    x = 1\\n    raise ValueError(x)  # typed line\\n"
        linecache.cache["<cell 1>"] = (len(source), None, source.splitlines(True), "<cell 1>")
        namespace = {"__name__": "__main__"}
        exec(compile(source, "<cell 1>", "exec"), namespace)
        try:
            cellray.get(cellray.remote(namespace["typed"]).remote())
        except ValueError as error:
            print(error)
    """)
    assert "# typed line" in output.stdout, output


def test_an_error_reaches_everything_that_depends_on_it() -> None:
    failed = fail.remote(PlainError, "root")
    chain = use.remote(failed)
    for _ in range(5):
        chain = use.remote(chain)
    error = error_of(chain)
    assert isinstance(error, PlainError)
    assert error.function_name == "fail"

    @cellray.remote
    def catches(refs: list[Any]) -> str:
        try:
            cellray.get(refs[0])
        except PlainError as caught:
            return f"caught {caught.args[0]}"
        return "nothing"

    @cellray.remote
    def passes_on(refs: list[Any]) -> None:
        cellray.get(refs)

    assert cellray.get(catches.remote([failed])) == "caught root"
    through = error_of(passes_on.remote([failed]))
    assert isinstance(through, PlainError)
    assert "root" in str(through)
    with pytest.raises(PlainError):
        cellray.get([use.remote(1), chain, failed])


def test_an_error_can_be_had_again_and_pickled() -> None:
    ref = fail.remote(ArgumentsError, 3, hint="x")
    first, second = error_of(ref), error_of(ref)
    assert str(first) == str(second)
    copy = pickle.loads(pickle.dumps(first))
    assert isinstance(copy, TaskError)
    assert str(copy) == str(first)
    assert type(copy.cause) is ArgumentsError
    # As a value and as an argument.
    assert isinstance(cellray.get(cellray.put(first)), TaskError)
    assert str(cellray.get(use.remote(first))) == str(first)


def test_a_module_that_only_the_driver_has(tmp_path: Path) -> None:
    (tmp_path / "only_here.py").write_text("def helper():\n    return 1\n")
    output = run_script(
        """
        import sys, cellray
        cellray.init(num_cpus=1, object_store_memory=64_000_000)
        sys.path.insert(0, sys.argv[1])  # after the workers have been told where modules are
        import only_here
        try:
            print(cellray.get(cellray.remote(only_here.helper).remote()))
        except ImportError as error:
            print(error)
        """,
        str(tmp_path),
    )
    assert "No module named 'only_here'" in output.stdout, output
    assert "install it" in output.stdout
