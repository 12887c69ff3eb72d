"""The columns of archived facts: one row for each fact, with its exact bytes and what is to be asked for in SQL.

| column                                  | what it holds                                                             |
|-----------------------------------------|---------------------------------------------------------------------------|
| sequence, position                      | the record, and the fact's place in it from 0                             |
| node, source                            | who wrote the record: the node; the client, 0 for the node itself         |
| kind                                    | the fact's class; null for a record of which nothing could be made        |
| happened_at                             | when it happened                                                          |
| task_id, parent_id, object_id, actor_id | hexadecimal, null where they do not apply                                 |
| worker_id                               | the worker's number on its node                                           |
| subjects                                | how many tasks or objects a fact about several is about                   |
| name                                    | of a function, template or job                                            |
| summary                                 | of a failure, a reason, or text that was printed                          |
| fact                                    | the fact in msgpack; the whole record's bytes where `kind` is null        |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from cellray.model.about import time_field_of
from cellray.model.fact import LOG_SCHEMA_VERSION, decode_facts
from cellray.ports import LogRecord

if TYPE_CHECKING:
    import pyarrow as pa

_raw_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])


def _hex_of(name: str) -> Callable[[Any], str | None]:
    get = attrgetter(name)
    return lambda fact: get(fact).hex() or None


def _count_of(name: str) -> Callable[[Any], int]:
    get = attrgetter(name)
    return lambda fact: len(get(fact))


_BY_FIELD: dict[str, tuple[tuple[str, Callable[[Any], Any]], ...]] = {
    "task_id": (("task_id", _hex_of("task_id")),),
    "root_task_id": (("task_id", _hex_of("root_task_id")),),
    "group_id": (("task_id", _hex_of("group_id")),),
    "actor_id": (("actor_id", _hex_of("actor_id")),),
    "object_id": (("object_id", _hex_of("object_id")),),
    "parent_id": (("parent_id", _hex_of("parent_id")),),
    "worker_id": (("worker_id", attrgetter("worker_id")),),
    "tasks": (("subjects", _count_of("tasks")),),
    "task_ids": (("subjects", _count_of("task_ids")),),
    "object_ids": (("subjects", _count_of("object_ids")),),
    "function": (("name", attrgetter("function.name")),),
    "template": (("name", attrgetter("template.name")),),
    "entrypoint": (("name", attrgetter("entrypoint")),),
    "summary": (("summary", attrgetter("summary")),),
    "reason": (("summary", attrgetter("reason")),),
    "text": (("summary", attrgetter("text")),),
}
"""What a field of that name gives: the column, and how to read it."""
_OPTIONAL = ("task_id", "parent_id", "object_id", "actor_id", "worker_id", "subjects", "name", "summary")
SCHEMA_KEY = b"cellray.log_schema"


@cache
def _shape(kind: type[msgspec.Struct]) -> tuple[str, dict[str, Callable[[Any], Any]]]:
    """The field with a fact's time, and how to read the columns that apply to it."""
    names = [field.name for field in msgspec.structs.fields(kind)]
    return time_field_of(kind), {column: read for name in names for column, read in _BY_FIELD.get(name, ())}


class Rows:
    """Gathers records as rows, until they are made a table: one row group of a segment."""

    def __init__(self) -> None:
        self.records = 0
        self.facts = 0
        self._heads: list[tuple[int, str, int, int]] = []
        self._kinds: list[str | None] = []
        self._at: list[float] = []
        self._optional: dict[str, list[Any]] = {name: [] for name in _OPTIONAL}
        self._bytes: list[bytes] = []

    def add(self, record: LogRecord) -> Sequence[Any]:
        """One record; the facts in it. Of one that is empty or unreadable the bytes are kept as they are."""
        facts, parts = _split(record.facts)
        self.records += 1
        self.facts += len(parts)
        self._heads.append((record.sequence, record.node_id, record.source, len(parts)))
        self._bytes += parts
        if not facts:
            self._add_columns(None, [None])
        for kind, some in groupby(facts, type):
            self._add_columns(kind, list(some))
        return facts

    def _add_columns(self, kind: type[msgspec.Struct] | None, facts: Sequence[Any]) -> None:
        count = len(facts)
        time_field, readers = _shape(kind) if kind is not None else ("", {})
        self._kinds += [kind.__name__ if kind is not None else None] * count
        self._at += map(attrgetter(time_field), facts) if time_field else [0.0] * count
        for name, column in self._optional.items():
            read = readers.get(name)
            column.extend([None] * count if read is None else map(read, facts))

    def to_table(self) -> pa.Table:
        """The rows, in the columns of `schema()`."""
        import numpy as np
        import pyarrow as pa

        sequences, nodes, sources, counts = zip(*self._heads, strict=True)
        repeats = np.array(counts)
        starts = np.cumsum(repeats) - repeats
        at_us = (np.array(self._at) * 1e6).astype(np.int64)
        columns = [
            pa.array(np.repeat(np.array(sequences, np.int64), repeats)),
            pa.array((np.arange(repeats.sum()) - np.repeat(starts, repeats)).astype(np.int32)),
            _repeated(nodes, repeats),
            pa.array(np.repeat(np.array(sources, np.int64), repeats)),
            pa.array(self._kinds, pa.string()).dictionary_encode(),
            pa.array(at_us, mask=at_us == 0).cast(pa.timestamp("us", tz="UTC")),
            *(pa.array(self._optional[name], _type_of(name)) for name in _OPTIONAL),
            pa.array(self._bytes, pa.binary()),
        ]
        return pa.Table.from_arrays(columns, schema=schema())


def schema() -> pa.Schema:
    """Of every segment, with the version of its facts."""
    import pyarrow as pa

    words = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            ("sequence", pa.int64()),
            ("position", pa.int32()),
            ("node", words),
            ("source", pa.int64()),
            ("kind", words),
            ("happened_at", pa.timestamp("us", tz="UTC")),
            *((name, _type_of(name)) for name in _OPTIONAL),
            ("fact", pa.binary()),
        ],
        {SCHEMA_KEY: b"%d" % LOG_SCHEMA_VERSION},
    )


def version_of(schema: pa.Schema) -> int:
    """The version of the facts in a file with these columns. Raises ValueError when it says none."""
    return int((schema.metadata or {}).get(SCHEMA_KEY, b""))


RECORD_COLUMNS = ("sequence", "node", "source", "kind", "fact")
"""What `to_records` reads."""


def to_records(table: pa.Table) -> list[LogRecord]:
    """The records again. Raises ValueError for columns that are not those of records."""
    sequences = table.column("sequence").to_pylist()
    nodes, sources = table.column("node").to_pylist(), table.column("source").to_pylist()
    kinds, facts = table.column("kind").to_pylist(), table.column("fact").to_pylist()
    records: list[LogRecord] = []
    start = 0  # of the record that ends where the sequence changes
    for end in range(1, len(sequences) + 1):
        if end < len(sequences) and sequences[end] == sequences[start]:
            continue
        whole = kinds[start] is None
        payload = facts[start] if whole else _array_header(end - start) + b"".join(facts[start:end])
        records.append(LogRecord(sequences[start], nodes[start], sources[start], payload))
        start = end
    return records


def _split(payload: bytes) -> tuple[Sequence[Any], list[bytes]]:
    """The facts of a record, and the bytes of each; of one that has none or cannot be read, its own."""
    try:
        facts = decode_facts(payload)
        if facts:
            return facts, [bytes(part) for part in _raw_decoder.decode(payload)]
    except msgspec.MsgspecError:
        pass
    return [], [payload]


def _array_header(count: int) -> bytes:
    if count < 16:
        return bytes([0x90 | count])
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")


def _repeated(words: Iterable[str], repeats: Any) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(word, len(numbers)) for word in words]
    return pa.DictionaryArray.from_arrays(pa.array(np.repeat(np.array(codes, np.int32), repeats)), list(numbers))


def _type_of(name: str) -> pa.DataType:
    import pyarrow as pa

    return {"worker_id": pa.int64(), "subjects": pa.int32()}.get(name, pa.string())
