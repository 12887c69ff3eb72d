"""What a task found around it, for the time of its replay: the runtime environment that a worker takes on for good."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from cellray.errors import ReplayError
from cellray.model.environment import parse_environment


@contextlib.contextmanager
def surrounded(environment: str, name: str) -> Iterator[None]:
    """Variables, folder and import path of a task; everything is as before afterwards.

    Raises ReplayError when its folder is not there any more.
    """
    if not environment:
        yield
        return
    wanted = parse_environment(environment)
    variables, folder, path = dict(os.environ), os.getcwd(), list(sys.path)
    try:
        for variable, value in wanted.env_vars.items():
            os.environ[variable] = os.path.expandvars(value)
        if wanted.working_dir:
            try:
                os.chdir(wanted.working_dir)
            except OSError as error:
                raise ReplayError(f"{name} cannot be replayed: {error.strerror}: {error.filename}") from error
        sys.path[:0] = [place for place in (wanted.working_dir, *wanted.py_modules) if place]
        yield
    finally:
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(folder)
        sys.path[:] = path
