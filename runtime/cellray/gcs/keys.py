"""Every key of the GCS and its type, in one place.

| key                            | type   | content                                                              |
|--------------------------------|--------|----------------------------------------------------------------------|
| `cellray:sessions`             | hash   | session id -> `tables.SessionDescription` as JSON                    |
| `cellray:{<session>}:log`      | stream | the event log; entry `<sequence>-0` with the fields n, s, f (below)  |
| `cellray:{<session>}:index:<n>`| sorted | what the records of a block are found under (`log_index`): members   |
|                                | set    | of one score, each an `index_member`                                 |
| `cellray:{<session>}:functions`| hash   | function hash (16 bytes) -> `model.task.Function` as msgpack         |
| `cellray:{<session>}:nodes`    | hash   | node id -> `tables.NodeDescription` as msgpack                       |

The braces are a hash tag: everything of one session lies in one slot, so that a server with slots can hold it and one
command can remove it.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack
from typing import NamedTuple

from cellray.ids import SessionId

SESSIONS = b"cellray:sessions"

LOG_NODE = b"n"
LOG_SOURCE = b"s"
LOG_FACTS = b"f"

INDEX_BLOCK = 8192
"""Records of one sorted set of the index: when the log has been trimmed so far, it goes whole. A write belongs to the
block of its first record."""


class SessionKeys(NamedTuple):
    """The keys of one session."""

    log: bytes
    log_index: bytes
    """With which the keys of the index begin."""
    functions: bytes
    nodes: bytes


def session_keys(session_id: SessionId) -> SessionKeys:
    """Raises ValueError for an id that would not be one hash tag: empty, or with a brace in it."""
    if not session_id or "{" in session_id or "}" in session_id:
        raise ValueError(f"session id {session_id!r} cannot be part of a key: it is empty or contains a brace")
    prefix = b"cellray:{%b}:" % session_id.encode()
    return SessionKeys(
        log=prefix + b"log", log_index=prefix + b"index:", functions=prefix + b"functions", nodes=prefix + b"nodes"
    )


def entry_id(sequence: int) -> bytes:
    """The stream entry that holds the record with this sequence."""
    return b"%d-0" % sequence


def sequence_of(entry: bytes) -> int:
    """Back from `entry_id`."""
    return int(entry[: entry.index(b"-")])


def index_prefix(key: bytes) -> bytes:
    """With which all members for a key of the index begin. Keys of another length are another kind."""
    return b"%c%b" % (len(key), key)


def index_member(key: bytes, first: int, sequences: Sequence[int]) -> bytes:
    """That these records of the write that begins with `first` are found under the key: each as its distance."""
    return index_prefix(key) + pack(f">Q{len(sequences)}H", first, *[sequence - first for sequence in sequences])
