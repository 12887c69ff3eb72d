"""When an interrupt is held back, when it is raised, and that the handler of before always comes back."""

# What is tested is what runs before the interrupt and what does not: several statements in a block.
# ruff: noqa: PT012

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest
from cellray.client.interrupts import MainThreadShield, Shields


@pytest.fixture(autouse=True)
def python_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), MainThreadShield():
        interrupt()
        interrupt()
        done.append("sent")
    assert done == ["sent"]


def test_one_that_has_waited_is_raised_by_open() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), MainThreadShield() as shield:
        interrupt()
        done.append("read")
        shield.open()
        done.append("never")
    assert done == ["read"]


def test_an_open_shield_lets_it_through_and_a_shut_one_does_not() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), MainThreadShield() as shield:
        shield.open()
        shield.shut()
        interrupt()
        done.append("held")
        shield.open()
    assert done == ["held"]
    with pytest.raises(KeyboardInterrupt), MainThreadShield() as shield:
        shield.open()
        interrupt()
        done.append("never")
    assert done == ["held"]


def test_a_shield_may_be_used_again_after_an_interrupt() -> None:
    shield = MainThreadShield()
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt), shield:
            shield.open()
            interrupt()
    with shield:
        shield.open()


def test_within_itself_only_the_outermost_lets_go() -> None:
    done = []
    shield = MainThreadShield()
    with pytest.raises(KeyboardInterrupt), shield:
        with shield:
            interrupt()
        done.append("still held")
    assert done == ["still held"]


def test_a_handler_that_does_not_raise_is_called_each_time() -> None:
    seen: list[int] = []

    def count(signum: int, _frame: FrameType | None) -> None:
        seen.append(signum)

    signal.signal(signal.SIGINT, count)
    with MainThreadShield() as shield:
        shield.open()
        interrupt()
        interrupt()
        shield.shut()
        interrupt()
        assert len(seen) == 2
    assert len(seen) == 3
    assert signal.signal(signal.SIGINT, signal.default_int_handler) is count


def test_an_ignored_interrupt_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with MainThreadShield() as shield:
        interrupt()
        shield.open()
        interrupt()
    assert signal.signal(signal.SIGINT, signal.default_int_handler) == signal.SIG_IGN


def test_an_error_inside_comes_before_the_interrupt_that_waited() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, MainThreadShield():
        interrupt()
        raise OSError("broken")
    assert isinstance(caught.value.__context__, OSError)


def test_other_threads_leave_the_handler_alone() -> None:
    shields = Shields()
    handlers = []

    def look() -> None:
        with shields.here() as shield:
            shield.open()
            shield.shut()
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
    assert isinstance(shields.here(), MainThreadShield)
