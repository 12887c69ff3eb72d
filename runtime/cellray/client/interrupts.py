"""Holding Ctrl-C back while bytes are on their way.

A KeyboardInterrupt may come at any bytecode of the main thread. It must never hit between reading bytes and handing
them on, or in the middle of a frame being sent. Within `with shield:` it waits; between `open` and `shut` it does not:

    with shields.here() as shield:
        while not done():
            shield.wait(poll, 1000)    # what has waited is raised here, what comes now ends the wait
            read_and_hand_on()

Python runs signal handlers in the main thread only, so that other threads get a shield that does nothing.
"""

from __future__ import annotations

# The public functions of the same names look for an enum member at each call, which costs ten times the call itself,
# and these run at each flush and each wait.
import _signal  # type: ignore[import-not-found]
import threading
from collections.abc import Callable
from types import FrameType
from typing import Protocol

SIGINT: int = _signal.SIGINT
Handler = Callable[[int, FrameType | None], object]


class Poll(Protocol):
    """A `select.poll` object."""

    def poll(self, timeout: float | None, /) -> list[tuple[int, int]]: ...


class Shield(Protocol):
    """A context manager within which an interrupt waits."""

    def __enter__(self) -> Shield: ...

    def __exit__(self, *_: object) -> None: ...

    def open(self) -> None:
        """From now on an interrupt is raised at once; first the one that has waited."""

    def shut(self) -> None:
        """From now on it waits again."""

    def wait(self, poll: Poll, timeout_ms: float | None) -> list[tuple[int, int]]:
        """What `poll` says, the shield being open meanwhile."""


class Shields:
    """One connection's shields: that of the main thread, which may be entered again within itself, and the others'."""

    def __init__(self) -> None:
        self._main = MainThreadShield()
        self._main_thread = threading.main_thread().ident

    def here(self) -> Shield:
        """The calling thread's."""
        return self._main if threading.get_ident() == self._main_thread else NO_SHIELD


class MainThreadShield:
    """Puts its own handler in front of the present one, which may be another at each entry: IPython changes it for
    each cell. One that is no function (ignored, default, not set from Python) raises nothing and stays.

    Nothing that may run a signal handler, which is any call and any begin of a function, stands where the state is
    half changed.
    """

    __slots__ = ("_depth", "_held", "_pending", "_previous")

    def __init__(self) -> None:
        self._depth = 0
        self._held = False
        self._pending = False
        self._previous: Handler | None = None

    def __enter__(self) -> MainThreadShield:
        if self._depth:
            self._depth += 1
            return self
        previous = _signal.getsignal(SIGINT)
        if callable(previous):
            self._previous = previous
            self._held = True
            try:
                _signal.signal(SIGINT, self._on_sigint)
            except BaseException:  # an interrupt that came before our handler was there
                self._held = False
                self._previous = None
                raise
        self._depth = 1
        return self

    def __exit__(self, *_: object) -> None:
        if self._depth > 1:
            self._depth -= 1
            return
        previous = self._previous
        self._held = True
        try:
            if previous is not None:
                _signal.signal(SIGINT, previous)
        finally:
            self._held = False
            self._previous = None
            self._depth = 0
        if self._pending:
            self._deliver(previous)

    def open(self) -> None:
        """See `Shield`."""
        self._held = False
        if self._pending:
            self._deliver(self._previous)

    def shut(self) -> None:
        """See `Shield`."""
        self._held = True

    def wait(self, poll: Poll, timeout_ms: float | None) -> list[tuple[int, int]]:
        """See `Shield`."""
        try:
            self._held = False
            if self._pending:
                self._deliver(self._previous)
            return poll.poll(timeout_ms)
        finally:
            self._held = True

    def _on_sigint(self, signum: int, frame: FrameType | None) -> None:
        if self._held or self._previous is None:
            self._pending = True
            return
        # The next one waits until this one has left the shield, or has turned out not to raise.
        self._held = True
        self._previous(signum, frame)
        self._held = False

    def _deliver(self, handler: Handler | None) -> None:
        self._pending = False
        if handler is not None:
            handler(SIGINT, None)


class _NoShield:
    """That of threads which signals never reach."""

    __slots__ = ()

    def __enter__(self) -> _NoShield:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def open(self) -> None:
        """Nothing."""

    def shut(self) -> None:
        """Nothing."""

    def wait(self, poll: Poll, timeout_ms: float | None) -> list[tuple[int, int]]:
        """See `Shield`."""
        return poll.poll(timeout_ms)


NO_SHIELD: Shield = _NoShield()
