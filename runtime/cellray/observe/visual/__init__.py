"""The visual language of Cellray: one table of tokens and the words and numbers that go with it."""

from cellray.observe.visual.format import count, data_size, duration, rate, three_digits
from cellray.observe.visual.table import (
    EdgeStyle,
    Limits,
    MarkPart,
    ObjectStateStyle,
    Shape,
    TaskStateStyle,
    Theme,
    ThemeColours,
    Tokens,
    function_colour,
    function_index,
    object_radius,
    state_style,
    tokens,
)

__all__ = [
    "EdgeStyle",
    "Limits",
    "MarkPart",
    "ObjectStateStyle",
    "Shape",
    "TaskStateStyle",
    "Theme",
    "ThemeColours",
    "Tokens",
    "count",
    "data_size",
    "duration",
    "function_colour",
    "function_index",
    "object_radius",
    "rate",
    "state_style",
    "three_digits",
    "tokens",
]
