"""What the tests of archives share."""

from __future__ import annotations

from pathlib import Path

import pytest
from cellray.gcs.archive import segment as segment_module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of an archive; it is not there yet."""
    return tmp_path / "archive"


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many row groups in little data."""
    monkeypatch.setattr(segment_module, "ROW_GROUP_FACTS", 10)
