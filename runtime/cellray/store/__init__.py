"""The object store: one arena a node, mapped by every process of it, spilled objects on disk, and in-memory twins."""

from cellray.store.arena import available_memory_bytes, check_room, create_arena, default_arena_bytes
from cellray.store.mapped import MappedStore
from cellray.store.memory import MemorySpill, MemoryStore
from cellray.store.spill import SpillFiles, spill_quota_bytes

__all__ = [
    "MappedStore",
    "MemorySpill",
    "MemoryStore",
    "SpillFiles",
    "available_memory_bytes",
    "check_room",
    "create_arena",
    "default_arena_bytes",
    "spill_quota_bytes",
]
