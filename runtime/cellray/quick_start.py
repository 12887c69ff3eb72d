"""Imported before anything else by processes whose start somebody waits for: the node and the workers' template.

msgspec asks for typing_extensions, which takes as long to import as all the rest of it, and is content with what Python
3.11 has itself. Tasks that want the real one get it: it is hidden from this one import only.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import cast

if "typing_extensions" not in sys.modules:
    sys.modules["typing_extensions"] = cast(ModuleType, None)
    import msgspec  # noqa: F401

    del sys.modules["typing_extensions"]
