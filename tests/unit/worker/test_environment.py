"""A worker's surroundings: what it takes on, and the GPUs that it shows to tasks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cellray.errors import RuntimeEnvSetupError
from cellray.model.environment import Environment
from cellray.worker.environment import CUDA_VISIBLE_DEVICES, Surroundings


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process gets its own surroundings back."""
    monkeypatch.delenv(CUDA_VISIBLE_DEVICES, raising=False)
    variables, path, folder = dict(os.environ), list(sys.path), os.getcwd()
    yield
    os.environ.clear()
    os.environ.update(variables)
    sys.path[:] = path
    os.chdir(folder)


def test_variables_folder_and_modules(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    os.environ["BEFORE"] = "x"
    environment = Environment({"A": "1", "B": "${BEFORE}:$A:${NOWHERE}"}, str(tmp_path / "work"), (str(tmp_path),))
    surroundings = Surroundings()
    assert surroundings.take_on(environment.text()) == environment
    assert (os.environ["A"], os.environ["B"]) == ("1", "x:1:${NOWHERE}")
    assert os.getcwd() == str(tmp_path / "work")
    assert sys.path[:2] == [str(tmp_path / "work"), str(tmp_path)]
    before = list(sys.path)
    assert surroundings.take_on(environment.text()) == environment
    assert sys.path == before, "once is enough"


def test_what_cannot_be_set_up_is_told_each_time(tmp_path: Path) -> None:
    surroundings = Surroundings()
    text = Environment({"SECRET": "s3cret"}, str(tmp_path / "gone")).text()
    for _ in range(2):
        with pytest.raises(RuntimeEnvSetupError, match=r"No such file or directory: .*gone") as caught:
            surroundings.take_on(text)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("visible", "numbers", "devices", "shown"),
    [
        (None, (0, 2), ["0", "2"], "0,2"),
        (None, (), [], None),
        ("3,5", (1,), ["5"], "5"),
        ("3,5", (), [], "3,5"),
        ("", (0,), ["0"], "0"),
    ],
)
def test_devices(
    visible: str | None,
    numbers: tuple[int, ...],
    devices: list[str],
    shown: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if visible is not None:
        monkeypatch.setenv(CUDA_VISIBLE_DEVICES, visible)
    surroundings = Surroundings()
    assert surroundings.are_named == bool(visible)
    surroundings.use_devices((0,))
    surroundings.use_devices(numbers)
    assert surroundings.devices == devices
    assert os.environ.get(CUDA_VISIBLE_DEVICES) == shown
