"""What a node must not import: it starts before everything else, and pickles nothing."""

from __future__ import annotations

import subprocess
import sys


def test_a_node_brings_no_pickling_along() -> None:
    code = "import sys, cellray.node.main, cellray.node.loop; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "cellray.node.loop" in loaded
    assert not {"cloudpickle", "numpy", "redis", "cellray.serialization"} & set(loaded)
