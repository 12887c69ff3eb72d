"""Whole behaviours of the node's core as reviewed text: `UPDATE_TRANSCRIPTS=1 pytest ...` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.core.transcript import replay

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    text = path.read_text()
    now = replay(text)
    if os.environ.get("UPDATE_TRANSCRIPTS"):
        path.write_text(now)
    else:
        assert now == text


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) > 5
