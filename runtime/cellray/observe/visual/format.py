"""Owns how numbers, durations and sizes are written in every view: at most three significant digits."""

from __future__ import annotations

import math

_COUNT_UNITS = ("", "k", "M", "G", "T")
_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def three_digits(value: float) -> str:
    """At most three significant digits, without trailing zeros: 12.4, 0.05, 370."""
    if value == 0 or not math.isfinite(value):
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{_half_up(value, places):.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(value: float) -> str:
    """12.4k."""
    return _scaled(value, _COUNT_UNITS, "")


def data_size(size_bytes: float) -> str:
    """12.4 MB (powers of 1,000)."""
    return _scaled(size_bytes, _BYTE_UNITS, " ")


def rate(per_s: float) -> str:
    """8.2/s."""
    return f"{count(per_s)}/s"


def duration(seconds: float) -> str:
    """17 µs, 230 ms, 1.5 s, 1 min 15 s, 2 h 3 min, 3 d 4 h."""
    if seconds < 0.0009995:
        return f"{three_digits(max(0.0, seconds) * 1e6)} µs" if seconds > 0 else "0 s"
    if seconds < 0.9995:
        return f"{three_digits(seconds * 1e3)} ms"
    if seconds < 59.95:
        return f"{three_digits(seconds)} s"
    whole = math.floor(seconds + 0.5)
    if whole < _HOUR_S:
        return _two(whole, _MINUTE_S, "min", 1, "s")
    if whole < _DAY_S:
        return _two(whole, _HOUR_S, "h", _MINUTE_S, "min")
    return _two(whole, _DAY_S, "d", _HOUR_S, "h")


def _two(whole: int, large_s: int, large: str, small_s: int, small: str) -> str:
    rest = whole % large_s // small_s
    return f"{whole // large_s} {large}" + (f" {rest} {small}" if rest else "")


def _scaled(value: float, units: tuple[str, ...], space: str) -> str:
    step = 0
    while step < len(units) - 1 and abs(value) >= 999.5:
        value, step = value / 1000, step + 1
    return f"{three_digits(value)}{space}{units[step]}".rstrip()


def _half_up(value: float, places: int) -> float:
    # Python rounds halves to even, JavaScript does not: one rule for both, so that their texts agree.
    scale = 10.0**places
    return math.floor(value * scale + 0.5) / scale
