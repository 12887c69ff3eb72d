"""The magics of Cellray; each is a thin wire to what does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from cellray_kernel.displays import Displays
from cellray_kernel.human import plural
from cellray_kernel.options import USAGE
from cellray_kernel.remote_magic import RemoteMagic
from cellray_kernel.session import CellSession

if TYPE_CHECKING:
    from cellray.observe.view import GraphSource

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
        """`%lineage ref`: how the object came to be."""
        if not line.strip():
            raise UsageError("%lineage wants a reference, such as `%lineage y` behind `y = f.remote(1)`")
        assert self.shell is not None
        ref = self.shell.ev(line)  # type: ignore[no-untyped-call]
        if not self._session.is_ref(ref):
            raise UsageError(f"%lineage wants a reference; {line.strip()} is {type(ref).__name__}")
        from cellray import observe

        self._show(observe.lineage_source(ref), f"Lineage of {line.strip()}")

    def _show(self, source: GraphSource, title: str | None) -> None:
        from cellray_kernel.graph_shown import ShownGraph
        from cellray_kernel.task_names import NamedGraph
        from cellray_kernel.widgets.graph import GraphWidget

        assert self.shell is not None
        named = NamedGraph(source, self._displays.task_names)
        ShownGraph(GraphWidget(named, title=title), named, self._displays, self.shell.display_formatter)


CellrayMagics.remote.__doc__ = USAGE
CellrayMagics.cellray.__doc__ = CELLRAY_USAGE
