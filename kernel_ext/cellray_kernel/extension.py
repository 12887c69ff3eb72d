"""Loading into and unloading from an IPython shell."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any

from cellray_kernel.displays import Displays
from cellray_kernel.errors_shown import ErrorDisplay
from cellray_kernel.magics import CellrayMagics
from cellray_kernel.publisher import publisher_of
from cellray_kernel.remote_magic import RemoteMagic
from cellray_kernel.session import CellraySession, CellSession

DRAIN_S = 2.0
_loaded: dict[int, Extension] = {}


class Extension:
    """Everything that was put into one shell, so that it can be taken out again."""

    def __init__(self, shell: Any, session: CellSession) -> None:
        self._shell = shell
        self._session = session
        self.displays = Displays(shell, publisher_of(shell))
        self.errors = ErrorDisplay(shell)
        self.magics = CellrayMagics(
            shell, RemoteMagic(shell, session, self.displays, self.errors), session, self.displays
        )
        self._stop_output: Callable[[], None] = lambda: None

    def load(self) -> None:
        """Put it in."""
        self._shell.register_magics(self.magics)
        self.errors.install()
        self.displays.tracker.register()
        self._stop_output = self._session.on_output(self.displays.on_output)
        self._shell.events.register("pre_run_cell", self._end_first)

    def unload(self) -> None:
        """Take it out; what runs goes on."""
        self._shell.events.unregister("pre_run_cell", self._end_first)
        atexit.unregister(self._end)
        self._stop_output()
        self.displays.tracker.unregister()
        self.errors.uninstall()
        for kind in self.magics.magics.values():
            for name in kind:
                for known in self._shell.magics_manager.magics.values():
                    known.pop(name, None)

    def _end_first(self, _cell: object) -> None:
        """Keep `_end` the last that was registered, which is the first to run: who sends large messages has them end
        by a handler of its own, which it registers with the first of them."""
        atexit.unregister(self._end)
        atexit.register(self._end)

    def _end(self) -> None:
        """The kernel ends: the last pictures leave while its messages can."""
        self.displays.close()
        self._session.end()
        self.displays.publisher.drain(DRAIN_S)


def load_ipython_extension(shell: Any, session: CellSession | None = None) -> None:
    """`%load_ext cellray`. Loading twice changes nothing."""
    if not hasattr(shell, "register_magics"):
        raise RuntimeError(
            "Cellray's magics need IPython: type `%load_ext cellray` in a notebook or an IPython console"
        )
    if id(shell) not in _loaded:
        extension = Extension(shell, session or CellraySession())
        extension.load()
        _loaded[id(shell)] = extension


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext cellray`."""
    extension = _loaded.pop(id(shell), None)
    if extension is not None:
        extension.unload()
