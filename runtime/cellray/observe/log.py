"""An event log opened to be read: `cellray.open_log()`."""

from __future__ import annotations

from typing import Any

from cellray.api import current
from cellray.errors import SessionError
from cellray.gcs.address import parse_address
from cellray.gcs.log_history import LogHistory
from cellray.gcs.log_reader import RedisLogReader
from cellray.ids import SessionId
from cellray.observe.exports import TASKS_SHOWN_MAX, export_spans, trace_of, write_trace
from cellray.observe.fold import LogFold
from cellray.observe.ledger import FoldLimits
from cellray.observe.window import Window
from cellray.ports import History, LogReader

READ_TIMEOUT_S = 5.0
NO_LIMIT = 1 << 60


class Log:
    """One session's event log. A context manager; open until `close`.

    `history` answers questions, `fold()` gives the state that the facts amount to.
    """

    def __init__(self, session_id: str, reader: LogReader) -> None:
        self.session_id = session_id
        self.history: History = LogHistory(reader)
        self._reader = reader

    def fold(self, limits: FoldLimits | None = None) -> LogFold:
        """The state after all facts that the log has now; every task one by one, unless `limits` say otherwise."""
        fold = LogFold(limits or FoldLimits(tasks_max=NO_LIMIT, puts_max=NO_LIMIT, workers_max=NO_LIMIT))
        for told in self.history.iter():
            fold.apply([told.fact], told.source, told.node_id)
        fold.take_changes()
        return fold

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


def open_log(path: str | None = None) -> Log:
    """The event log of this process's session, or None. Raises SessionError when there is no session."""
    if path is not None:
        raise SessionError("logs of other sessions cannot be opened yet")
    runtime = current.require_engine().runtime
    session_id = SessionId(runtime.session_id)
    return Log(session_id, RedisLogReader(parse_address(runtime.gcs_url), session_id, timeout_s=READ_TIMEOUT_S))
