"""Named stretches of time: `with cellray.profile("load")`, in tasks, actors and drivers, seen in the timeline."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from cellray.api import current

TEXT_CHARS_MAX = 10_000
"""Of a span's name and extra data together: they are for people, and every one is kept in the log."""


class Span:
    """A stretch of time, from entering to leaving it. May be entered again, and nested."""

    __slots__ = ("_extra", "_name", "_started")

    def __init__(self, name: str, extra: dict[str, str]) -> None:
        self._name = name
        self._extra = extra
        self._started: list[float] = []

    def __enter__(self) -> Span:
        self._started.append(time.time())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        started_at = self._started.pop()
        engine = current.engine_or_none()
        if engine is not None:
            told = f"{kind.__name__}: {error}" if kind is not None else ""
            engine.runtime.record_span(self._name, started_at, self._extra, told[:TEXT_CHARS_MAX])


def profile(event_type: str, extra_data: Mapping[str, str] | None = None) -> Span:
    """A stretch of time that the log keeps and the timeline shows, inside its task.

    `event_type` is its name. `extra_data` is shown with it; as in Ray, its key `name` gives another text to show and
    `cname` a colour of Chrome's trace viewer. An exception that leaves it is noted. Without a session nothing is
    recorded. Raises TypeError for what is no text, ValueError for more than 10,000 characters.

        with cellray.profile("load", extra_data={"file": path}):
            data = read(path)
    """
    if not isinstance(event_type, str):
        raise TypeError(f"the name of a span is a str, not {type(event_type).__name__}")
    extra = dict(extra_data or {})
    for key, value in extra.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"extra_data maps str to str; {key!r}: {value!r} does not. Convert it with str().")
    chars = len(event_type) + sum(len(key) + len(value) for key, value in extra.items())
    if chars > TEXT_CHARS_MAX:
        raise ValueError(
            f"the name and the extra data of a span have {chars:,} characters, {TEXT_CHARS_MAX:,} at most: keep large "
            "things with cellray.put()"
        )
    return Span(event_type, extra)
