"""What this machine has for tasks besides cores: memory and GPUs, without importing anything that would use them."""

from __future__ import annotations

import os
import re
import subprocess
from typing import NamedTuple

CUDA_VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"
NVIDIA_FOLDER = "/proc/driver/nvidia/gpus"
NVIDIA_SMI_TIMEOUT_S = 5.0
NO_DEVICES = ("", "NoDevFiles", "-1")
"""Values of the variable by which programs say that there are none."""
MODEL_WORD = re.compile(r"\w+\s+((?:[A-Z]+\s+)*[A-Z0-9]*\d[A-Z0-9]*)")
"""`NVIDIA H100 80GB HBM3` -> `H100`, `Tesla V100-SXM2-16GB` -> `V100`: Ray's names of accelerator types."""


class Gpus(NamedTuple):
    """How many GPUs this process may use, and their model if all are of one."""

    number: int
    accelerator_type: str = ""


def visible_devices() -> list[str] | None:
    """What `$CUDA_VISIBLE_DEVICES` allows; None when it is not set and all may be used."""
    text = os.environ.get(CUDA_VISIBLE_DEVICES)
    if text is None:
        return None
    return [] if text in NO_DEVICES else text.split(",")


def detect_gpus() -> Gpus:
    """NVIDIA's GPUs of this machine, as far as `$CUDA_VISIBLE_DEVICES` shows them."""
    visible = visible_devices()
    if visible == []:
        return Gpus(0)
    models = _models_by_driver() or _models_by_tool()
    types = {accelerator_type(model) for model in models}
    count = len(models) if visible is None else len(visible)
    return Gpus(count, types.pop() if len(types) == 1 else "")


def accelerator_type(model: str) -> str:
    """Ray's word for a GPU of this product name."""
    found = MODEL_WORD.match(model)
    if found is not None and len(found[1]) > 1:
        return found[1].replace(" ", "-")
    return re.sub(r"^NVIDIA\s+", "", model).strip().replace(" ", "-")


def _models_by_driver() -> list[str]:
    """From the driver's own folder: at no cost, but containers often do not have it."""
    models: list[str] = []
    try:
        for name in sorted(os.listdir(NVIDIA_FOLDER)):
            with open(os.path.join(NVIDIA_FOLDER, name, "information"), encoding="utf-8", errors="replace") as file:
                models += [line.split(":", 1)[1].strip() for line in file if line.startswith("Model:")]
    except OSError:
        return []
    return models


def _models_by_tool() -> list[str]:
    if not os.path.exists("/dev/nvidiactl"):
        return []  # no driver: not worth a process
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]
