"""Modules that a remote cell imports, bound in the notebook too, without paying for the import there."""

from __future__ import annotations

import copyreg
import importlib
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType


def bind_module(path: str) -> ModuleType | None:
    """The module `path`, loaded on first use of an attribute; None when the notebook's Python does not have it.

    A parent package is imported at once: Python cannot find a submodule otherwise.
    """
    known = sys.modules.get(path)
    if known is not None:
        return known
    try:
        spec = importlib.util.find_spec(path)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
        return None
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path] = module
    loader.exec_module(module)
    # A function that uses the module pickles it along with its globals, and pickle goes by exact class.
    copyreg.pickle(type(module), _reduce_module)
    parent, _, name = path.rpartition(".")
    if parent:
        setattr(sys.modules[parent], name, module)
    return module


def module_path(module: ModuleType) -> str:
    """What to import to get this module; does not load a lazy one."""
    name: str = ModuleType.__getattribute__(module, "__name__")
    return name


def _reduce_module(module: ModuleType) -> tuple[Callable[[str], ModuleType], tuple[str]]:
    return importlib.import_module, (module_path(module),)
