"""Owns the typed reading of `tokens.json`: the colours, marks, shapes and limits that every picture uses.

TypeScript gets the same table as generated code (`labextension/tools/generate_views.py`).
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Literal

import msgspec

from cellray.observe.messages import EdgeKind, ObjectStateName, TaskStateName

Theme = Literal["light", "dark"]

_FNV_OFFSET = 0x811C9DC5
_FNV_PRIME = 0x01000193


class MarkPart(msgspec.Struct, frozen=True):
    """One path of a state's mark on a 16 x 16 grid; `ink` is the state's colour or the paper behind it."""

    d: str
    paint: Literal["fill", "stroke"]
    ink: Literal["state", "paper"]
    width: float = 0.0
    dash: tuple[float, ...] = ()
    pulse: bool = False


class TaskStateStyle(msgspec.Struct, frozen=True):
    """How a task in one state looks. `tint`: share of its colour in the box; `solid` fills a tiny box."""

    label: str
    explain: str
    light: str
    dark: str
    tint: float
    solid: bool
    dash: tuple[float, ...]
    mark: tuple[MarkPart, ...]
    mark_text: Literal["attempt"] | None = None


class ObjectStateStyle(msgspec.Struct, frozen=True):
    """How an object's circle looks: filled or hollow, with a second ring, with a broken outline."""

    label: str
    fill: bool
    ring: bool
    dash: tuple[float, ...]
    width: float


class ObjectSize(msgspec.Struct, frozen=True):
    """A size class: the radius of objects below a number of bytes (`None`: of all larger ones)."""

    below_bytes: int | None
    radius: float


class EdgeStyle(msgspec.Struct, frozen=True):
    """How one kind of edge is drawn."""

    label: str
    explain: str
    width: float
    dash: tuple[float, ...]
    arrow: bool


class PaletteColour(msgspec.Struct, frozen=True):
    """One hue of the function palette, in both themes."""

    name: str
    light: str
    dark: str


class ThemeColours(msgspec.Struct, frozen=True):
    """Colours of everything that has no meaning of its own; in JupyterLab its CSS variables replace them."""

    paper: str
    soft: str
    line: str
    text: str
    text_soft: str
    edge: str
    accent: str


class Themes(msgspec.Struct, frozen=True):
    """The neutral colours of both themes."""

    light: ThemeColours
    dark: ThemeColours


class Shape(msgspec.Struct, frozen=True):
    """Sizes and distances in pixels at zoom 1."""

    task_width: float
    task_height: float
    task_radius: float
    put_width: float
    put_height: float
    group_width: float
    group_height: float
    group_row_height: float
    group_rows_max: int
    mark_cell_width: float
    function_strip_width: float
    row_gap: float
    layer_gap: float
    column_gap: float
    cell_pad: float
    cell_title_height: float
    cell_gap: float
    lane_pad: float
    lane_title_height: float
    lane_gap: float


class Limits(msgspec.Struct, frozen=True):
    """What a picture holds at most; `rows_by_layer_size`: layer size, rows before it wraps."""

    nodes_max: int
    svg_nodes_max: int
    barycenter_sweeps: int
    rows_by_layer_size: tuple[tuple[int | None, int], ...]
    docked_objects_max: int


class Tokens(msgspec.Struct, frozen=True):
    """The whole table."""

    version: int
    task_states: dict[TaskStateName, TaskStateStyle]
    object_states: dict[ObjectStateName, ObjectStateStyle]
    object_sizes: tuple[ObjectSize, ...]
    edges: dict[EdgeKind, EdgeStyle]
    function_palette: tuple[PaletteColour, ...]
    theme: Themes
    shape: Shape
    limits: Limits


@lru_cache(maxsize=1)
def tokens() -> Tokens:
    """The table, read once a process."""
    return msgspec.json.decode(files(__package__).joinpath("tokens.json").read_bytes(), type=Tokens)


def state_style(state: TaskStateName) -> TaskStateStyle:
    """How a task in `state` looks."""
    return tokens().task_states[state]


def object_radius(object_bytes: int | None) -> float:
    """Radius of the circle of an object of this size; unknown sizes get the smallest."""
    for size in tokens().object_sizes:
        if size.below_bytes is None or (object_bytes or 0) < size.below_bytes:
            return size.radius
    raise ValueError("tokens.json: the last size class must have no bound")


def function_index(name: str) -> int:
    """Index of a function's hue in the palette: 32-bit FNV-1a of the UTF-8 name, as in TypeScript."""
    value = _FNV_OFFSET
    for byte in name.encode():
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    # The low bits of FNV-1a follow the last letter too closely ("load_1", "load_2"); fold the high half in.
    return (value ^ (value >> 16)) % len(tokens().function_palette)


def function_colour(name: str, theme: Theme = "light") -> str:
    """The stable hue of a function, as `#RRGGBB`."""
    colour = tokens().function_palette[function_index(name)]
    return colour.light if theme == "light" else colour.dark
