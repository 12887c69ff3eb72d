"""A worker's surroundings: the runtime environment that it takes on once, and the GPUs that it may use."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from cellray.errors import RuntimeEnvSetupError
from cellray.model.environment import NOTHING, Environment, parse_environment

CUDA_VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"


class Surroundings:
    """One for each process. `devices` are the GPUs' ids."""

    def __init__(self) -> None:
        self.devices: list[str] = []
        self._text, self._environment = "", NOTHING
        self._failure = ""
        self._visible = os.environ.get(CUDA_VISIBLE_DEVICES)

    @property
    def are_named(self) -> bool:
        """Whether the ids are those of `$CUDA_VISIBLE_DEVICES`, as it was before any task changed it."""
        return bool(self._visible)

    def take_on(self, text: str) -> Environment:
        """Set the environment up, before any code that belongs to it is loaded; a second time does nothing.

        Raises RuntimeEnvSetupError with the reason, each time when it cannot be done.
        """
        if text != self._text:
            self._text, self._environment = text, parse_environment(text)
            self._failure = _set_up(self._environment)
            self._visible = os.environ.get(CUDA_VISIBLE_DEVICES)
        if self._failure:
            raise RuntimeEnvSetupError(self._failure)
        return self._environment

    def use_devices(self, numbers: Sequence[int]) -> None:
        """Show these GPUs to what runs from now on. Without any, what this process was started with (Ray's default)."""
        visible = self._visible.split(",") if self._visible else []
        self.devices = [visible[number] if number < len(visible) else str(number) for number in numbers]
        if self.devices:
            os.environ[CUDA_VISIBLE_DEVICES] = ",".join(self.devices)
        elif self._visible is None:
            os.environ.pop(CUDA_VISIBLE_DEVICES, None)
        else:
            os.environ[CUDA_VISIBLE_DEVICES] = self._visible


surroundings = Surroundings()
"""Of this process."""


def _set_up(environment: Environment) -> str:
    """Why it could not be done; empty when it was."""
    for name, value in environment.env_vars.items():
        os.environ[name] = os.path.expandvars(value)
    folder = environment.working_dir
    try:
        if folder:
            os.chdir(folder)
        for place in environment.py_modules:
            os.stat(place)
    except OSError as error:
        return (
            f"its runtime environment could not be set up: {error.strerror}: {error.filename}. It was there when the "
            "environment was described; put it back, or describe another one."
        )
    places = [place for place in (folder, *environment.py_modules) if place]
    sys.path[:0] = places
    importlib.invalidate_caches()
    return ""
