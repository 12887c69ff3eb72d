"""Tasks as spans of OpenTelemetry, handed to any `SpanExporter` of its SDK (the extra `cellray[otel]`).

A trace is a job, its first span the driver. A task's span has what submitted it for a parent (the control edge), and
links to the tasks that made its arguments and, for a call, to the one that its actor had before (data and stateful
edges). Ids are made of the runtime's, so that exporting again gives the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any

from cellray.ids import TaskId, producer_of
from cellray.observe.fold import LogFold
from cellray.observe.records import FAILED, LOST, JobRecord, TaskRecord
from cellray.observe.spans import SpanRecord
from cellray.observe.window import Window

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Link, SpanContext

SPANS_AT_ONCE = 512
"""What the SDK's own batches have."""


def task_spans(fold: LogFold, window: Window, exporter: SpanExporter) -> int:
    """Export what ran in the window; how many spans. Raises ImportError without the SDK, RuntimeError when the exporter
    does not take them."""
    try:
        from opentelemetry.sdk.trace.export import SpanExportResult
    except ImportError as error:
        raise ImportError("OpenTelemetry's SDK is not installed: pip install 'cellray[otel]'") from error
    spans, exported = _Spans(fold, window).all(), 0
    while batch := list(islice(spans, SPANS_AT_ONCE)):
        if exporter.export(batch) is not SpanExportResult.SUCCESS:
            raise RuntimeError(f"{type(exporter).__name__} did not take spans, after {exported} that it took")
        exported += len(batch)
    return exported


class _Spans:
    """What a fold has, one span after another."""

    def __init__(self, fold: LogFold, window: Window) -> None:
        from opentelemetry.sdk.resources import Resource

        self._fold = fold
        self._window = window
        self._resource = Resource.create(
            {"service.name": "cellray", "service.instance.id": fold.session_id, "cellray.session_id": fold.session_id}
        )

    def all(self) -> Iterator[ReadableSpan]:
        """Drivers, tasks in order of submission, then what user code named."""
        for job in self._fold.jobs.values():
            if self._window.overlaps(job.started_at, job.ended_at or self._fold.last_at):
                yield self._driver(job)
        for record in self._window.choose(self._fold)[0]:
            yield self._task(record)
        for index, span in enumerate(self._fold.spans.latest):
            if self._window.overlaps(span.started_at, span.ended_at):
                yield self._named(span, index)

    def _driver(self, job: JobRecord) -> ReadableSpan:
        attributes = {"cellray.job_id": job.job_id.hex(), "process.pid": job.pid}
        return self._span(
            job.entrypoint or "driver",
            self._context(job.root_task_id, job),
            None,
            (job.started_at, job.ended_at or self._fold.last_at),
            attributes,
        )

    def _task(self, record: TaskRecord) -> ReadableSpan:
        assert record.worker is not None, "only tasks that ran are exported"
        attributes: dict[str, Any] = {
            "cellray.task_id": record.task_id.hex(),
            "cellray.function": record.template.function,
            "cellray.state": record.state_name,
            "cellray.attempt": record.attempt,
            "cellray.worker": f"{record.worker[0]}/{record.worker[1]}",
            "cellray.waited_s": max(0.0, record.started_at - record.submitted_at),
        }
        if record.actor:
            attributes["cellray.actor_id"] = record.actor
        if record.template.cell is not None:
            attributes["cellray.cell"] = f"In [{record.template.cell.execution_count}]"
        return self._span(
            record.template.name,
            self._context(record.task_id, record.job),
            self._context(record.parent_id, record.job),
            (record.started_at, record.finished_at or self._fold.last_at),
            attributes,
            list(self._links(record)),
            record.error if record.state in (FAILED, LOST) else None,
        )

    def _links(self, record: TaskRecord) -> Iterator[Link]:
        from opentelemetry.trace import Link

        sources = dict.fromkeys(producer_of(dependency) for dependency in record.dependencies)
        for task_id in sources:
            if task_id not in self._fold.drivers:
                yield Link(self._context(task_id, self._job_of(task_id, record.job)), {"cellray.edge": "data"})
        if record.previous_call is not None:
            job = self._job_of(record.previous_call, record.job)
            yield Link(self._context(record.previous_call, job), {"cellray.edge": "stateful"})

    def _job_of(self, task_id: TaskId, otherwise: JobRecord | None) -> JobRecord | None:
        """Of a task, or a driver by its root task; a task that is kept as a count only is taken for one of ours."""
        task = self._fold.tasks.get(task_id)
        return task.job if task is not None else self._fold.drivers.get(task_id, otherwise)

    def _named(self, span: SpanRecord, index: int) -> ReadableSpan:
        job = self._job_of(span.task_id, None)
        own = TaskId(span.task_id + f"{index}/{span.started_at}".encode())
        return self._span(
            span.name,
            self._context(own, job),
            self._context(span.task_id, job),
            (span.started_at, span.ended_at),
            dict(span.extra),
            error=span.error or None,
        )

    def _context(self, task_id: TaskId, job: JobRecord | None) -> SpanContext:
        from opentelemetry.trace import SpanContext, TraceFlags

        trace = job.root_task_id if job is not None else self._fold.session_id.encode()
        return SpanContext(
            trace_id=_number(trace, 16),
            span_id=_number(task_id, 8),
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )

    def _span(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        times: tuple[float, float],
        attributes: dict[str, Any],
        links: list[Link] | None = None,
        error: str | None = None,
    ) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Status, StatusCode

        return ReadableSpan(
            name=name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            links=links or (),
            status=Status(StatusCode.ERROR, error) if error is not None else Status(StatusCode.OK),
            start_time=int(times[0] * 1e9),
            end_time=int(max(times) * 1e9),
        )


def _number(key: bytes, size: int) -> int:
    return int.from_bytes(blake2b(key, digest_size=size, person=b"cellray-otel").digest(), "big") or 1
