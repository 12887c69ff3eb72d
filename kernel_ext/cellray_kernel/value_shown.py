"""A remote value as the notebook's own formatters show it."""

from __future__ import annotations

import traceback
from typing import Any

from cellray.observe.visual.format import count

from cellray_kernel.human import abbreviate
from cellray_kernel.publisher import Bundle

HEAD_VALUES = 6
TAIL_VALUES = 3
VALUE_CHARS_MAX = 60
FLOAT_DIGITS = 6
"""Enough to compare by; the values themselves keep all of theirs."""


class Gathered:
    """The values of a fan-out, in order; shown abbreviated, one line."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __repr__(self) -> str:
        shown = self.values
        if len(shown) <= HEAD_VALUES + TAIL_VALUES:
            return f"[{', '.join(map(_short, shown))}]"
        head = ", ".join(map(_short, shown[:HEAD_VALUES]))
        tail = ", ".join(map(_short, shown[-TAIL_VALUES:]))
        return f"[{head}, ..., {tail}] ({count(len(shown))} values)"


def _short(value: Any) -> str:
    value = _plain_number(value)
    if isinstance(value, float):
        return repr(float(f"{value:.{FLOAT_DIGITS}g}"))
    return abbreviate(repr(value), VALUE_CHARS_MAX)


def _plain_number(value: Any) -> Any:
    """NumPy's scalars as Python's: their own form, `np.float64(0.5)`, says more of the type than of the number."""
    is_scalar = type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()
    return value.item() if is_scalar else value


def format_value(value: Any, formatter: Any) -> Bundle:
    """All media types that the shell's `display_formatter` has for a value; a failing one is told, not raised: this
    runs after the cell, on a background thread."""
    try:
        data, metadata = formatter.format(value)
    except Exception:
        return Bundle({"text/plain": f"The value cannot be shown:\n{traceback.format_exc(limit=-3)}"}, {})
    if not data:
        data = {"text/plain": repr(value)}
    return Bundle(data, metadata)
