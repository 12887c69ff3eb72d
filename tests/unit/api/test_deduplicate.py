"""Which lines are shown and which are counted."""

from __future__ import annotations

from typing import Any

import pytest
from cellray.api.deduplicate import Deduplicator, Line
from cellray.config import Config


def line(text: str, pid: int = 1) -> Line:
    return Line("stdout", f"(f pid={pid})", text, pid)


def texts(lines: list[Line]) -> list[str]:
    return [each.text for each in lines]


def make(environment: dict[str, str] | None = None, **limits: Any) -> Deduplicator:
    return Deduplicator(Config(**{"dedup_logs_after": 1, **limits}), environment or {})


def test_lines_of_several_processes_that_are_alike_are_counted() -> None:
    lines = make()
    assert texts(lines.take(line("loss 0.5", pid=1), 0.0)) == ["loss 0.5"]
    assert lines.take(line("loss 0.4", pid=2), 1.0) == []
    assert lines.take(line("loss 0.3", pid=3), 2.0) == []
    assert lines.next_at == 5.0
    assert texts(lines.expire(4.9)) == []
    assert texts(lines.expire(5.0)) == ["loss 0.3 [repeated 2x across cluster]"]
    assert lines.take(line("loss 0.2", pid=1), 6.0) == [], "a flood does not begin anew every few seconds"
    assert texts(lines.flush()) == ["loss 0.2 [repeated 1x across cluster]"]
    assert texts(lines.take(line("loss 0.2", pid=2), 7.0)) == ["loss 0.2"]


def test_a_pattern_that_stays_away_is_forgotten() -> None:
    lines = make()
    lines.take(line("a", pid=1), 0.0)
    lines.take(line("a", pid=2), 0.0)
    assert texts(lines.expire(5.0)) == ["a [repeated 1x across cluster]"]
    assert lines.expire(10.0) == []
    assert texts(lines.take(line("a", pid=2), 11.0)) == ["a"]


def test_the_first_ones_are_shown() -> None:
    lines = make(dedup_logs_after=3)
    shown = [bool(lines.take(line(f"step {i}", pid=i % 2), 0.0)) for i in range(10)]
    assert shown == [True] * 3 + [False] * 7
    assert texts(lines.flush()) == ["step 9 [repeated 7x across cluster]"]


@pytest.mark.parametrize(
    ("what", "lines", "options"),
    [
        ("one process may say the same as often as it likes", [line("a")] * 5, {}),
        ("numbers only are what there is to see", [line("1", 1), line("2", 2), line("3", 1)], {}),
        ("different words", [line("a", 1), line("b", 2), line("c", 3)], {}),
        ("switched off", [line("a", 1), line("a", 2), line("a", 3)], {"dedup_logs": 0}),
    ],
)
def test_shown_one_by_one(what: str, lines: list[Line], options: dict[str, Any]) -> None:
    dedup = make(**options)
    assert [each for one in lines for each in dedup.take(one, 0.0)] == lines, what


def test_expressions_say_what_is_always_shown_and_what_never() -> None:
    lines = make({"CELLRAY_DEDUP_LOGS_ALLOW_REGEX": "keep", "CELLRAY_DEDUP_LOGS_SKIP_REGEX": "^noise"})
    assert len([each for pid in range(5) for each in lines.take(line("keep this", pid), 0.0)]) == 5
    assert lines.take(line("noise", 1), 0.0) == []
    assert lines.flush() == []
    with pytest.raises(ValueError, match="SKIP_REGEX"):
        make({"CELLRAY_DEDUP_LOGS_SKIP_REGEX": "("})
