"""The visual language: generated files are current, colours can be told apart, both languages write the same."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from cellray.observe import messages
from cellray.observe.visual import (
    count,
    data_size,
    duration,
    function_colour,
    function_index,
    object_radius,
    rate,
    state_style,
    tokens,
)

ROOT = Path(__file__).resolve().parents[2]
VECTORS = json.loads(Path(__file__).with_name("visual_vectors.json").read_text())
FORMATS = {"count": count, "data_size": data_size, "duration": duration, "rate": rate}


def generator() -> ModuleType:
    path = ROOT / "labextension" / "tools" / "generate_views.py"
    spec = importlib.util.spec_from_file_location("generate_views", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_files_are_current() -> None:
    for path, text in generator().generated_files().items():
        assert path.read_text() == text, f"run: python labextension/tools/generate_views.py ({path.name})"


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_formats(name: str) -> None:
    for value, text in VECTORS["formats"][name]:
        assert FORMATS[name](value) == text


def test_function_hues_are_those_of_the_browser() -> None:
    for name, index in VECTORS["function_index"]:
        assert function_index(name) == index


def test_every_state_of_the_schema_has_a_look() -> None:
    table = tokens()
    assert set(table.task_states) == set(messages.TaskStateName.__args__)  # type: ignore[attr-defined]
    assert set(table.object_states) == set(messages.ObjectStateName.__args__)  # type: ignore[attr-defined]
    assert set(table.edges) == set(messages.EdgeKind.__args__)  # type: ignore[attr-defined]


def test_no_two_states_share_a_mark() -> None:
    marks = [style.mark for style in tokens().task_states.values()]
    assert len(set(marks)) == len(marks)


def test_states_and_hues_stand_out_from_both_themes() -> None:
    table = tokens()
    for colour in (*table.task_states.values(), *table.function_palette):
        assert contrast(colour.light, table.theme.light.paper) >= 3
        assert contrast(colour.dark, table.theme.dark.paper) >= 3


def test_small_lookups() -> None:
    assert state_style("failed").label == "failed"
    assert function_colour("f") in {colour.light for colour in tokens().function_palette}
    assert object_radius(None) < object_radius(10**9)


def contrast(one: str, other: str) -> float:
    """Contrast ratio by WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [byte / 255 for byte in bytes.fromhex(colour[1:])]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
