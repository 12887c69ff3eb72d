"""`RuntimeEnv`: what tasks find around them, as in `ray.runtime_env`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from cellray.model.environment import Environment

__all__ = ["RuntimeEnv", "check_runtime_env"]

SUPPORTED = ("env_vars", "working_dir", "py_modules")
WITHOUT_EFFECT = ("config", "excludes")
"""Ray's settings for building and copying environments: here nothing is built, and folders are used where they are."""
OF_RAY = ("pip", "conda", "uv", "container", "image_uri", "java_jars", "py_executable", "worker_process_setup_hook")
ARCHIVES = (".zip", ".whl", ".egg")


class RuntimeEnv(dict[str, Any]):
    """A runtime environment as `init` and the option `runtime_env` take it; a plain dict does as well.

    `env_vars`: variables to set, `${NAME}` in them is replaced. `working_dir`: the folder in which tasks run and from
    which they import first. `py_modules`: modules, packages' folders, files or archives to be importable.
    Raises ValueError or TypeError for anything else, and for paths that do not exist.

        cellray.init(runtime_env={"env_vars": {"MODE": "fast"}, "working_dir": "."})
    """

    def __init__(self, **fields: Any) -> None:
        check_runtime_env(fields)
        super().__init__(fields)


def check_runtime_env(given: Any) -> Environment:
    """The environment that a user describes. Raises ValueError or TypeError that says what is wrong with it."""
    if given is None:
        return Environment()
    if not isinstance(given, Mapping):
        raise TypeError(f"runtime_env={given!r:.80}: give a dict, such as {{'env_vars': {{'NAME': 'value'}}}}")
    for key in given:
        if key not in SUPPORTED + WITHOUT_EFFECT:
            of_ray = "is a field of Ray's that Cellray does not have" if key in OF_RAY else "is unknown"
            raise ValueError(
                f"runtime_env: the field {key!r} {of_ray}. Supported are {', '.join(SUPPORTED)}; install packages into "
                "the environment that the session is started from."
            )
    return Environment(
        _variables(given.get("env_vars") or {}),
        _working_dir(given.get("working_dir")),
        tuple(_place_of(module) for module in _modules(given.get("py_modules") or ())),
    )


def _variables(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise TypeError(f"runtime_env['env_vars'] must be of type Dict[str, str], got {type(given)}")
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(
                f"runtime_env['env_vars'] must be of type Dict[str, str], but {name!r} is {value!r}. Give strings."
            )
    return dict(sorted(given.items()))


def _working_dir(given: Any) -> str:
    if given is None:
        return ""
    path = _local_path("working_dir", given)
    if not os.path.isdir(path):
        raise ValueError(f"runtime_env['working_dir']: {path} is not a valid directory")
    return path


def _modules(given: Any) -> list[Any]:
    if not isinstance(given, list | tuple):
        raise TypeError(f"runtime_env['py_modules'] must be a list of paths or modules, got {type(given)}")
    return list(given)


def _place_of(module: Any) -> str:
    """What has to be on the path for the module to be found: an archive itself, else the folder around it."""
    if isinstance(module, ModuleType):
        places = list(getattr(module, "__path__", ())) or [getattr(module, "__file__", None)]
        if not places[0]:
            raise ValueError(f"runtime_env['py_modules']: the module {module.__name__} has no file to import it from")
        module = places[0]
    path = _local_path("py_modules", module)
    if not os.path.exists(path):
        raise ValueError(f"runtime_env['py_modules']: {path} does not exist")
    if os.path.isdir(path) or path.endswith(".py"):
        return os.path.dirname(path)
    if path.endswith(ARCHIVES):
        return path
    raise ValueError(f"runtime_env['py_modules']: {path} is no folder, no .py file and no archive to import from")


def _local_path(field: str, given: Any) -> str:
    if not isinstance(given, str | os.PathLike):
        raise TypeError(f"runtime_env[{field!r}] must be a path, got {type(given)}")
    path = os.fspath(given)
    if "://" in path:
        raise ValueError(f"runtime_env[{field!r}]={path!r}: only local paths are supported")
    return os.path.abspath(os.path.expanduser(path))
