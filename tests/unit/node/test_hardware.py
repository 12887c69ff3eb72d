"""What the machine has: GPUs as the driver, the tool and the environment tell of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cellray.node import hardware

MODELS = [
    ("NVIDIA H100 80GB HBM3", "H100"),
    ("Tesla V100-SXM2-16GB", "V100"),
    ("NVIDIA A100-SXM4-40GB", "A100"),
    ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
    ("NVIDIA GeForce RTX 5090", "GeForce-RTX-5090"),
]


@pytest.mark.parametrize(("model", "name"), MODELS)
def test_accelerator_types(model: str, name: str) -> None:
    assert hardware.accelerator_type(model) == name


@pytest.fixture
def driver_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which NVIDIA's driver lists its GPUs, with two."""
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / bus).mkdir()
        (tmp_path / bus / "information").write_text("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 5\n")
    monkeypatch.setattr(hardware, "NVIDIA_FOLDER", str(tmp_path))
    monkeypatch.delenv(hardware.CUDA_VISIBLE_DEVICES, raising=False)
    return tmp_path


def test_gpus_of_the_driver(driver_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware.detect_gpus() == hardware.Gpus(2, "H100")
    for visible, number in (("", 0), ("NoDevFiles", 0), ("-1", 0), ("1", 1), ("1,0", 2)):
        monkeypatch.setenv(hardware.CUDA_VISIBLE_DEVICES, visible)
        assert hardware.detect_gpus().number == number


def test_different_models_have_no_common_name(driver_folder: Path) -> None:
    (driver_folder / "0000:02:00.0" / "information").write_text("Model: Tesla V100-SXM2-16GB\n")
    assert hardware.detect_gpus() == hardware.Gpus(2, "")


def test_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "NVIDIA_FOLDER", str(tmp_path / "none"))
    monkeypatch.delenv(hardware.CUDA_VISIBLE_DEVICES, raising=False)
    if not Path("/dev/nvidiactl").exists():
        assert hardware.detect_gpus() == hardware.Gpus(0)
