"""Whether a process has ended; one that only waits to be buried by its parent has."""

from __future__ import annotations

import psutil


def has_ended(pid: int) -> bool:
    """True for a zombie too: who its parent is, and when that looks, is none of ours."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
