"""An event log opened to be read: `cellray.open_log()`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from cellray.api import current
from cellray.api.session import current_session
from cellray.gcs.archive.reader import ArchiveReader, Gap
from cellray.gcs.archive.whole import WholeLogReader
from cellray.gcs.log_history import LogHistory
from cellray.ids import SessionId
from cellray.node.archives import read_session
from cellray.node.open_archive import open_path
from cellray.node.settings import SessionFolder
from cellray.observe.exports import NO_LIMIT, TASKS_SHOWN_MAX, export_spans, trace_of, write_trace
from cellray.observe.fold import LogFold
from cellray.observe.ledger import FoldLimits
from cellray.observe.lineage import Lineage
from cellray.observe.log_table import facts_table, tasks_table
from cellray.observe.window import Window
from cellray.observe.written import wait_until_written
from cellray.ports import History

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

EVERYTHING = FoldLimits(tasks_max=NO_LIMIT, puts_max=NO_LIMIT, workers_max=NO_LIMIT, spans_max=NO_LIMIT)


class Log:
    """One session's event log. A context manager; open until `close`.

    `history` answers questions; `fold()` gives the state that the facts amount to, `lineage()` its graph, `to_arrow`
    and `to_pandas` the facts themselves, or the tasks, as a table.
    """

    def __init__(self, session_id: str, reader: WholeLogReader | ArchiveReader, checkpoint_folder: str = "") -> None:
        self.session_id = session_id
        self.checkpoint_folder = checkpoint_folder
        """Where states of actors are that are too large for the log; empty where nobody can tell."""
        self.history: History = LogHistory(reader)
        self._reader = reader
        self._latest = LogFold(EVERYTHING)
        self._latest_to = 0

    @property
    def gaps(self) -> list[Gap]:
        """What is missing: given up for want of room, or found damaged, as far as that was met. Empty for most."""
        return self._reader.gaps

    @property
    def missed_records(self) -> int:
        """How many records `gaps` are."""
        return sum(gap.last - gap.first + 1 for gap in self.gaps)

    def fold(self, limits: FoldLimits | None = None) -> LogFold:
        """The state after all facts that the log has now; every task one by one, unless `limits` say otherwise."""
        fold = LogFold(limits or EVERYTHING)
        fold.read(self.history.iter())
        return fold

    def latest(self) -> LogFold:
        """What `fold()` gives, kept and only read on, for one question after another; not to be changed."""
        self._latest_to = self._latest.read(self.history.iter(self._latest_to)) or self._latest_to
        return self._latest

    def lineage(self) -> Lineage:
        """The graph of everything that the log has now."""
        return Lineage(self.latest())

    def to_arrow(self, table: str = "facts") -> pa.Table:
        """A row for each fact, in the columns of `gcs.archive.columns`, or with "tasks" a row for each task."""
        match table:
            case "facts":
                return facts_table(self._reader)
            case "tasks":
                return tasks_table(self.latest())
        raise ValueError(f"table={table!r}: there are 'facts' and 'tasks'")

    def to_pandas(self, table: str = "facts") -> pd.DataFrame:
        """What `to_arrow` gives, as a data frame."""
        return self.to_arrow(table).to_pandas()

    def timeline(
        self,
        filename: str | None = None,
        *,
        start: float | None = None,
        end: float | None = None,
        limit: int | None = TASKS_SHOWN_MAX,
    ) -> list[dict[str, Any]] | None:
        """What ran when, as `cellray.timeline` tells it."""
        return write_trace(trace_of(self.history, Window(start=start, end=end, limit=limit)), filename)

    def to_otel(
        self, exporter: Any, *, start: float | None = None, end: float | None = None, limit: int | None = None
    ) -> int:
        """Hand every task that ran, and every span of `cellray.profile`, to an OpenTelemetry `SpanExporter`.

        The parent of a span is what submitted it, links lead to the tasks that made its arguments. Returns how many
        spans were handed over. Raises ImportError, which says what to install, without the OpenTelemetry SDK.

            log.to_otel(OTLPSpanExporter(endpoint="http://localhost:4318/v1/traces"))
        """
        return export_spans(self.history, exporter, Window(start=start, end=end, limit=limit))

    def close(self) -> None:
        """Close connections and files."""
        self.history.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Log(session_id={self.session_id!r})"


def open_log(path: str | os.PathLike[str] | None = None) -> Log:
    """An event log: of this process's session (None; with all that its node has told until now), or of any, running or
    not, by its folder, that of its archive, or its session's name. To read a session that has ended needs no runtime.

    Raises SessionError when there is no session, LogError when there is no log or it cannot be read, LogVersionError
    when a newer version wrote it.

        with cellray.open_log("1124-091415-64545e") as log:
            print(log.fold().totals())
    """
    if path is not None:
        opened = open_path(os.fspath(path))
        return Log(*opened)
    runtime = current.require_engine().runtime
    reader = read_session(runtime.gcs_url, SessionId(runtime.session_id))
    wait_until_written(reader)
    session = current_session()  # none in a worker
    return Log(runtime.session_id, reader, SessionFolder(session.address).checkpoints if session is not None else "")
