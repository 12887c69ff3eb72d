"""Measures them in a process of its own, as `tests.bench` asks for it."""

from __future__ import annotations

import json
import sys

from tests.bench.alone.parts import measure_alone

if __name__ == "__main__":
    print(json.dumps(measure_alone(json.loads(sys.argv[1]))), flush=True)
