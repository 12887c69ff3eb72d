"""The magics of Cellray; each is a thin wire to what does the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.display import display

from cellray_kernel import replay_magics
from cellray_kernel.displays import Displays
from cellray_kernel.human import plural
from cellray_kernel.options import USAGE
from cellray_kernel.remote_magic import RemoteMagic
from cellray_kernel.session import CellSession

if TYPE_CHECKING:
    from cellray.observe.view import GraphSource

Answer = TypeVar("Answer")
CELLRAY_USAGE = """%cellray            the session, its resources, remote cells that still run
%cellray cancel     cancel all remote cells that still run
%cellray wait       wait until all of them have ended"""


@magics_class
class CellrayMagics(Magics):
    """Registered by `%load_ext cellray`."""

    def __init__(self, shell: Any, remote: RemoteMagic, session: CellSession, displays: Displays) -> None:
        super().__init__(shell)
        self._remote = remote
        self._session = session
        self._displays = displays

    @cell_magic
    def remote(self, line: str, cell: str) -> None:
        """Run the cell on the background runtime."""
        self._remote(line, cell)

    @line_magic
    def cellray(self, line: str) -> None:
        """The session's status, or what is done with all remote cells that run."""
        running = self._displays.runs.running()
        match line.split():
            case []:
                rows = [*self._session.status(), ("remote cells", f"{len(running) or 'none'} running")]
                width = max(len(name) for name, _ in rows)
                print("\n".join(f"{name.ljust(width)}  {value}" for name, value in rows))  # noqa: T201
            case ["cancel"]:
                number = sum(run.cancel("cancelled by %cellray cancel") for run in running)
                print(f"{plural(number, 'task')} cancelled")  # noqa: T201
            case ["wait"]:
                for run in running:
                    run.wait()
            case _:
                raise UsageError(f"%cellray does not know {line!r}\n{CELLRAY_USAGE}")

    @line_magic
    def graph(self, line: str) -> None:
        """The live task graph of this session."""
        if line.strip():
            raise UsageError("%graph takes no arguments: it shows all tasks of this session, live")
        from cellray import observe

        self._session.ensure()
        self._show(observe.graph_source(), None)

    @line_magic
    def lineage(self, line: str) -> None:
        """`%lineage ref`: how an object, a task or an actor came to be; of a call also what its actor was sent before.

        `cellray.lineage(ref)` gives the same, and what came of it, as data.
        """
        from cellray import observe

        source = self._answer("lineage", line, observe.lineage_source)
        self._show(source, f"Lineage of {line.strip()}")

    @line_magic
    def why(self, line: str) -> None:
        """`%why ref`: what a task, an object or an actor waits for, down the chain, and since when; or why it ran
        again, moved, failed, was lost or cancelled.

        `cellray.why(ref)` gives the same as data.
        """
        import cellray

        display(self._answer("why", line, cellray.why))  # type: ignore[no-untyped-call]

    @line_magic
    def replay(self, line: str) -> Any:
        __tracebackhide__ = True
        return replay_magics.replay(self.shell, line)

    @line_magic
    def rerun(self, line: str) -> Any:
        __tracebackhide__ = True
        return replay_magics.rerun(self.shell, line)

    def _answer(self, magic: str, line: str, ask: Callable[[Any], Answer]) -> Answer:
        """What `ask` says to the value of an expression; what names nothing is told in one line."""
        example = f"such as `%{magic} y` behind `y = f.remote(1)`"
        if not line.strip():
            raise UsageError(f"%{magic} wants a reference, {example}")
        assert self.shell is not None
        try:
            subject = self.shell.ev(line)  # type: ignore[no-untyped-call]
        except (NameError, SyntaxError) as error:
            raise UsageError(f"%{magic} wants a reference, {example}: {error}") from None
        try:
            return ask(subject)
        except (TypeError, ValueError, KeyError) as error:
            raise UsageError(f"%{magic} wants a reference, {example}: {error.args[0]}") from None

    def _show(self, source: GraphSource, title: str | None) -> None:
        from cellray_kernel.graph_shown import ShownGraph
        from cellray_kernel.task_names import NamedGraph
        from cellray_kernel.widgets.graph import GraphWidget

        assert self.shell is not None
        named = NamedGraph(source, self._displays.task_names)
        ShownGraph(GraphWidget(named, title=title), named, self._displays, self.shell.display_formatter)


CellrayMagics.remote.__doc__ = USAGE
CellrayMagics.cellray.__doc__ = CELLRAY_USAGE
CellrayMagics.replay.__doc__ = replay_magics.REPLAY_USAGE
CellrayMagics.rerun.__doc__ = replay_magics.RERUN_USAGE
