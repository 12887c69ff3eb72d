"""What the node and the workers' template leave out when they start."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["cellray.node.main", "cellray.engines.template"])
def test_it_is_not_imported_and_tasks_get_it_all_the_same(module: str) -> None:
    script = (
        f"import sys, {module}; "
        "print(sorted(sys.modules.keys() & {'typing_extensions', 'redis', 'grpc', 'numpy', 'IPython'})); "
        "import typing_extensions; print(typing_extensions.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "typing_extensions"]
