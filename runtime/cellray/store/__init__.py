"""The object store: one arena a node, mapped by every process of it, spilled objects on disk, and in-memory twins."""

from cellray.store.arena import check_room, create_arena, default_arena_bytes
from cellray.store.checkpoints import read_checkpoint, remove_checkpoint, write_checkpoint
from cellray.store.copying import usable_cpus
from cellray.store.digest import digest_of
from cellray.store.machine_memory import available_memory_bytes, memory_use, oom_kills
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
    "digest_of",
    "memory_use",
    "oom_kills",
    "read_checkpoint",
    "remove_checkpoint",
    "spill_quota_bytes",
    "usable_cpus",
    "write_checkpoint",
]
