"""Spans outside of any session: code that names them runs as it is."""

from __future__ import annotations

import cellray
import pytest


def test_without_a_session_nothing_is_recorded_and_nothing_is_wrong() -> None:
    with cellray.profile("load") as span:
        assert span is not None
    with pytest.raises(ValueError, match="mine"), cellray.profile("load"):
        raise ValueError("mine")
