"""What is shown at one cell of the tasks that it started: progress line, printed text, error, and the value.

Everything of a cell stays at that cell, whatever runs meanwhile: one display with an id for line, text and error, a
second one for the rich value of the last expression. Updates are coalesced by the ticker.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

from cellray_kernel.captured_text import CapturedText
from cellray_kernel.cell_run import CellRun
from cellray_kernel.progress import progress_html, progress_text
from cellray_kernel.publisher import Bundle, Publisher
from cellray_kernel.remote_error import to_html

CLOCK_STEP_S = 1.0
EMPTY = Bundle({"text/plain": "", "text/html": ""}, {})

FormatValue = Callable[[Any], Bundle]
RenderFailure = Callable[[CellRun], list[str]]


class CellOutput:
    """The display of one cell. `run` is None for an ordinary cell, of which only printed text is shown."""

    def __init__(self, publisher: Publisher, parent: Any, run: CellRun | None = None) -> None:
        self._publisher = publisher
        self._parent = parent
        self._run = run
        self._display_id = f"cellray-{uuid.uuid4().hex}"
        self._lock = threading.Lock()
        self._text = CapturedText()
        self._partial: dict[tuple[bytes, str, str], str] = {}
        self._is_created = False
        self._is_changed = True
        self._shown_second = -1
        self._is_closed = False
        self.render_failure: RenderFailure | None = None

    def changed(self) -> None:
        """Something of the run changed; any thread."""
        self._is_changed = True

    def close(self) -> None:
        """Nothing more is expected, even if it has not ended: a later refresh is the last one."""
        self._is_closed = True

    def write(self, task_id: bytes, element: str, stream: str, text: str, dropped_bytes: int) -> None:
        """What a task printed; lines of a fan-out are marked with their element. Any thread."""
        with self._lock:
            if element:
                key = (task_id, stream, element)
                whole, newline, rest = (self._partial.pop(key, "") + text).rpartition("\n")
                if rest:
                    self._partial[key] = rest
                text = "".join(f"{element} | {line}\n" for line in whole.split("\n")) if newline else ""
            self._text.add(stream, text, dropped_bytes)
            self._is_changed = True

    def refresh(self) -> bool:
        """Publish what changed; whether it may change again."""
        run = self._run
        is_final = self._is_closed or (run is not None and run.is_ended)
        second = int(run.progress().elapsed_s / CLOCK_STEP_S) if run is not None and not is_final else -1
        with self._lock:
            if not self._is_changed and second == self._shown_second:
                return self._may_change(is_final)
            self._is_changed = False
            self._shown_second = second
            bundle = self._bundle(is_final=is_final)
        if bundle is None:
            return False
        if not self._is_created:
            self._is_created = True
            self._publisher.create(self._display_id, bundle, self._parent)
            if not is_final:
                return self._may_change(is_final)
        self._publisher.update(self._display_id, bundle, is_final=is_final)
        return self._may_change(is_final)

    def _may_change(self, is_final: bool) -> bool:
        """By itself: an ordinary cell's display changes only when something is written, and is refreshed then."""
        return self._run is not None and not is_final

    def _bundle(self, *, is_final: bool) -> Bundle | None:
        """The display at this moment; None when there is nothing to show yet."""
        run = self._run
        if run is None and not self._text:
            return None
        if is_final:
            for (_, stream, element), rest in self._partial.items():
                self._text.add(stream, f"{element} | {rest}\n")
            self._partial.clear()
        texts, htmls = [], []
        if run is not None:
            progress = run.progress()
            texts.append(progress_text(progress))
            htmls.append(progress_html(progress, self._display_id))
        if self._text:
            texts.append(self._text.to_text(live=self._may_change(is_final)).rstrip("\n"))
            htmls.append(self._text.to_html(live=self._may_change(is_final)))
        if run is not None and self.render_failure is not None and run.failures:
            lines = self.render_failure(run)
            texts.append("\n".join(lines))
            htmls.append(to_html(lines))
        return Bundle({"text/plain": "\n".join(texts), "text/html": "".join(htmls)}, {})


class ValueDisplay:
    """The place of a last expression's value, filled when the run has ended well.

    A cell that does not wait reserves the place while it runs: a headless run records no display that comes later.
    """

    def __init__(
        self,
        publisher: Publisher,
        parent: Any,
        run: CellRun,
        fetch: Callable[[], Any],
        format_value: FormatValue,
        *,
        reserve: bool,
    ) -> None:
        self._publisher = publisher
        self._parent = parent
        self._run = run
        self._fetch = fetch
        self._format_value = format_value
        self._display_id = f"cellray-value-{uuid.uuid4().hex}"
        self._is_reserved = reserve
        if reserve:
            publisher.create(self._display_id, EMPTY, parent)

    def refresh(self) -> bool:
        """Show the value as soon as there is one."""
        if not self._run.is_ended:
            return True
        if self._run.progress().phase == "done":
            value = self._fetch()
            if value is not None:
                self._show(self._format_value(value))
        return False

    def _show(self, bundle: Bundle) -> None:
        if not self._is_reserved:
            self._publisher.create(self._display_id, bundle, self._parent)
        self._publisher.update(self._display_id, bundle, is_final=True)
