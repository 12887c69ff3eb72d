"""Imports go strictly down the layers of runtime/ARCHITECTURE.md; every import of every source is read."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "runtime" / "cellray"
KERNEL = ROOT / "kernel_ext" / "cellray_kernel"
LAB = ROOT / "labextension" / "cellray_lab"

# The first name below `cellray` decides the layer; every other name at the top is a public face, hence L5.
LAYERS = {
    **dict.fromkeys(("errors", "ids", "awake", "clock", "config", "model", "processes", "quick_start"), 0),
    "core": 1,
    "ports": 2,
    **dict.fromkeys(("serialization", "wire", "gcs", "store", "net"), 3),
    **dict.fromkeys(("node", "head", "worker", "client", "launch"), 4),
}
FACES = 5
SIBLINGS_APART = 3  # the layer whose members must not know each other

# What makes a core impure: it would no longer be the same function of its facts.
IMPURE = {
    "asyncio", "concurrent", "datetime", "grpc", "multiprocessing", "os", "random", "redis", "secrets",
    "select", "selectors", "signal", "socket", "subprocess", "threading", "time", "uuid", "uvloop",
}  # fmt: skip
WORDS_MAY_IMPORT = sys.stdlib_module_names | {"msgspec", "cellray"}
# What the options of remote functions stand on and Ray has in `util`: only its names are there.
PLACEMENT = ("cellray.api.placement_group.", "cellray.api.scheduling_strategies.")
# The one upward reference: `%load_ext cellray` is handed on, inside a function, by cellray/__init__.py.
HOOK = ("cellray", "cellray_kernel")


class Import(NamedTuple):
    """One import statement's target, absolute, and whether it runs only when a function is called."""

    target: str
    line: int
    lazy: bool


def imports_of(source: str, module: str, *, is_package: bool) -> Iterator[Import]:
    """Yield what `module` imports, except what only the type checker sees."""

    def visit(node: ast.AST, lazy: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.orelse:
                yield from visit(child, lazy)
            return
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, lazy)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, *([base] if base else [])])
            # `from cellray import node` may name a module or an attribute; the name decides the layer.
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno, lazy)
        lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, lazy)

    yield from visit(ast.parse(source), lazy=False)


def part_of(module: str) -> str:
    """`cellray.node.loop` -> `node`; the package itself -> the empty name, which is a face."""
    return module.partition(".")[2].partition(".")[0]


def layer_of(part: str) -> int:
    return LAYERS.get(part, FACES)


def complaint(module: str, found: Import) -> str | None:
    """Say why `module` must not have this import, or None when it may."""
    mine, own_package = part_of(module), module.split(".", 1)[0]
    package = found.target.split(".", 1)[0]
    if own_package == "cellray":
        if package in {"cellray_kernel", "cellray_lab"}:
            if (module, package) == HOOK and found.lazy:
                return None
            return "cellray knows no notebook face, except one lazy hook in cellray/__init__.py"
        if package != "cellray":
            return outside_complaint(mine, package)
        return inside_complaint(mine, found.target)
    if package == "cellray" and not is_public(found.target):
        return f"{own_package} may use cellray's public names and cellray.observe only"
    return None


def outside_complaint(mine: str, package: str) -> str | None:
    if layer_of(mine) == 0 and package not in WORDS_MAY_IMPORT:
        return "L0 imports the standard library and msgspec only"
    if mine == "core" and package in IMPURE:
        return "the core is pure: time, randomness and input arrive inside facts"
    return None


def inside_complaint(mine: str, target: str) -> str | None:
    theirs = part_of(target)
    if theirs == mine:
        return None
    if mine == "util" and theirs != "serialization" and not is_public(target) and not target.startswith(PLACEMENT):
        return "util stands on cellray's public names"
    low, high = layer_of(mine), layer_of(theirs)
    if high > low:
        return f"L{low} {mine} must not import {f'L{high} {theirs}' if theirs in LAYERS else 'a public face'}"
    if low == high == SIBLINGS_APART:
        return f"{mine} and {theirs} are siblings of L3 and must not know each other"
    return None


def is_public(target: str) -> bool:
    """Public is what cellray/__init__.py offers, the public modules beside it, and cellray.observe."""
    part = part_of(target)
    return part not in LAYERS and part not in {"api", "engines", "cli"}


def modules(package: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def check(source: str, module: str, *, is_package: bool = False) -> list[str]:
    found = imports_of(source, module, is_package=is_package)
    return [f"{each.line}: {each.target}: {why}" for each in found if (why := complaint(module, each))]


@pytest.mark.parametrize("package", [RUNTIME, KERNEL, LAB], ids=lambda package: package.name)
def test_imports_go_down(package: Path) -> None:
    sources = list(modules(package))
    assert sources, f"{package} holds no module: this test would pass by reading nothing"
    wrong = [
        f"{path.relative_to(ROOT)}:{each}"
        for module, path in sources
        for each in check(path.read_text(), module, is_package=path.name == "__init__.py")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cellray.ids", "import numpy"),
        ("cellray.model.task", "from cellray.core import actors"),
        ("cellray.core.actors", "import time"),
        ("cellray.core.actors", "from asyncio import sleep"),
        ("cellray.core.actors", "def later():\n    import redis.client"),
        ("cellray.core.actors", "from cellray import ports"),
        ("cellray.core.actors", "from ..gcs import keys"),
        ("cellray.ports", "from cellray.gcs.keys import TASKS"),
        ("cellray.gcs.keys", "import cellray.store"),
        ("cellray.wire", "from cellray import serialization"),
        ("cellray.store.arena", "from cellray.node import loop"),
        ("cellray.node.loop", "from cellray.api import get"),
        ("cellray.node.loop", "import cellray"),
        ("cellray.node.loop", "from cellray import get"),
        ("cellray.api.session", "import cellray_kernel"),
        ("cellray", "from cellray_kernel import load"),
        ("cellray.util.actor_pool", "from cellray.api import verbs"),
        ("cellray.util.queue", "from cellray.engines import native"),
        ("cellray_kernel.magics", "from cellray.node import loop"),
        ("cellray_kernel.magics", "from cellray import wire"),
        ("cellray_kernel.magics", "from cellray.api.session import Session"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert check(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cellray.ids", "import hashlib, msgspec"),
        ("cellray.core.actors", "from cellray.model.fact import Fact\nfrom .resources import Bundle"),
        ("cellray.core.actors", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import redis"),
        ("cellray.gcs.keys", "import redis\nfrom cellray.ports import Gcs"),
        (
            "cellray.node.loop",
            "import time, asyncio\nfrom cellray import wire\nfrom cellray.worker import run",
        ),
        (
            "cellray.api.session",
            "from cellray.node import loop\nfrom cellray.engines.native import NativeEngine",
        ),
        ("cellray.util.actor_pool", "import cellray\nfrom cellray.exceptions import ActorDiedError"),
        ("cellray.util.check_serialize", "from cellray.serialization.culprit import Search"),
        ("cellray", "def load_ipython_extension(shell):\n    from cellray_kernel import load"),
        ("cellray", "from cellray.api.session import init"),
        (
            "cellray_kernel.magics",
            "import cellray\nfrom cellray import get\nfrom cellray.observe import follow",
        ),
    ],
)
def test_an_allowed_import_passes(module: str, source: str) -> None:
    assert check(source, module, is_package=module == "cellray") == []
