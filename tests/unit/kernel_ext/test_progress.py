"""The progress line."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from cellray_kernel.progress import Progress, progress_html, progress_text

LINES = [
    (Progress("In [5]", 1), "In [5] running"),
    (Progress("In [5]", 1, elapsed_s=3.2), "In [5] running, 3 s"),
    (Progress("In [5]", 1, 1, elapsed_s=0.42), "In [5] done in 420 ms"),
    (Progress("In [5]", 1, failed=1, elapsed_s=2), "In [5] failed after 2 s"),
    (Progress("In [5]", 1, cancelled=1, elapsed_s=2, note="interrupted"), "In [5] cancelled after 2 s, interrupted"),
    (Progress("In [5]", 64), "In [5] [........................] 0/64 done"),
    (
        Progress("In [5]", 64, 37, 1, running=2, retried=1, elapsed_s=4.75),
        "In [5] [#############x>.........] 37/64 done, 2 running, 1 failed, 1 retried, 8/s, 3 s left",
    ),
    (Progress("In [5]", 64, 64, elapsed_s=75), "In [5] 64 tasks done in 1 min 15 s"),
    (Progress("In [5]", 64, 60, 4, elapsed_s=8), "In [5] 60/64 done, 4 failed in 8 s"),
    (Progress("In [5]", 100_000, 60_000, 0, 40_000, elapsed_s=8), "In [5] 60k/100k done, 40k cancelled in 8 s"),
    (Progress("In [5]", 0), "In [5] nothing submitted"),
    (Progress("In [5]", 2, 2, is_complete=False), "In [5] [########################] 2/2 done"),
]


@pytest.mark.parametrize(("progress", "text"), LINES)
def test_the_line_says_what_there_is_and_nothing_else(progress: Progress, text: str) -> None:
    assert progress_text(progress) == text


@pytest.mark.parametrize("progress", [progress for progress, _ in LINES])
def test_html_is_well_formed_and_says_the_same_words(progress: Progress) -> None:
    root = ET.fromstring(progress_html(progress, "u1"))
    assert root.attrib["role"] == "status"
    spans = [span.text for span in root.iter("span")]
    assert spans[0] == "In [5]"
    assert str(spans[1]) in progress_text(progress)


def test_html_escapes_what_users_and_tasks_wrote() -> None:
    html = progress_html(Progress("<script>", 1, note="<b>&"), "u1")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<b>" not in html


def test_every_state_that_has_tasks_is_in_the_bar_and_the_bar_is_full_at_most() -> None:
    html = progress_html(Progress("In [5]", 10_000, 9_990, 1, 1, 1, elapsed_s=1), "u1")
    filled = [rect for rect in ET.fromstring(html).iter("rect") if rect.attrib.get("fill", "").startswith("url(#u1-")]
    assert [rect.attrib["fill"] for rect in filled] == [
        f"url(#u1-{state})" for state in ("finished", "failed", "cancelled", "running")[: len(filled)]
    ]
    assert sum(int(rect.attrib["width"]) for rect in filled) <= 160
