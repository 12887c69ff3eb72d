"""What is in a dead worker's black box: what it printed and did not send."""

from __future__ import annotations

from pathlib import Path

from cellray.ids import TaskId
from cellray.worker.black_box import BOX_BYTES, BlackBox, Printed, read_black_box

A, B = TaskId(b"a" * 16), TaskId(b"b" * 16)


def test_what_was_not_sent_is_in_it(tmp_path: Path) -> None:
    path = str(tmp_path / "box")
    box = BlackBox(path)
    assert read_black_box(path) == []
    box.note("stdout", A, "sent\n")
    box.mark()
    box.note("stdout", A, "läuft")
    box.note("stdout", A, "\n")
    box.note("stderr", A, "oh\n")
    box.note("stderr", B, "other\n")
    box.clear()
    assert read_black_box(path) == [
        Printed("stdout", A, "läuft\n"),
        Printed("stderr", A, "oh\n"),
        Printed("stderr", B, "other\n"),
    ]
    box.mark()
    box.clear()
    assert read_black_box(path) == []


def test_it_is_used_again_and_never_overflows(tmp_path: Path) -> None:
    path = str(tmp_path / "box")
    box = BlackBox(path)
    for _ in range(100):
        box.note("stdout", A, "x" * 5000)
        box.mark()
        box.clear()
    box.note("stdout", A, "first\n")
    box.note("stdout", A, "y" * BOX_BYTES)
    assert read_black_box(path) == [Printed("stdout", A, "first\n")]


def test_none_is_empty(tmp_path: Path) -> None:
    assert read_black_box(str(tmp_path / "none")) == []
