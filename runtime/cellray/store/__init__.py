"""The object store: one arena a node, mapped by every process of the node, and its in-memory twin."""

from cellray.store.arena import available_memory_bytes, check_room, create_arena, default_arena_bytes
from cellray.store.mapped import MappedStore
from cellray.store.memory import MemoryStore

__all__ = [
    "MappedStore",
    "MemoryStore",
    "available_memory_bytes",
    "check_room",
    "create_arena",
    "default_arena_bytes",
]
