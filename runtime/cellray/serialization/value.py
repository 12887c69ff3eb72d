"""A value as bytes: a pickle, and after it the buffers of its arrays, each aligned, to be read where they lie.

Two forms. A value without large buffers and references is a bare pickle (protocol 5; it begins with 0x80). Any other
begins with a header: magic, number of buffers, number of references, bytes of the pickle, bytes of each buffer. Then
come the ids of the references, the pickle, which names references by their number, and each buffer at the next multiple
of 64 bytes (a cache line, and what Arrow and SIMD code want). The place it is written to must be so aligned as well.

Plain data goes to the C pickler at once. Everything else goes through cloudpickle, because the plain pickler would
store functions and classes of `__main__` by name, which means nothing in a worker.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple, NoReturn

import msgspec

from cellray.errors import InternalError, SessionLostError
from cellray.ids import OBJECT_ID_BYTES, ObjectId
from cellray.serialization.arrays import ArrayReducer, rebuild_array
from cellray.serialization.pickler import Pickler
from cellray.serialization.references import reference_at, reference_seam

ALIGNMENT_BYTES = 64
PLAIN_ITEMS_MAX = 64
"""Longer containers are not looked through for plain items: the general way costs them little."""
PLAIN_NESTED_MAX = 8
PLAIN_NESTED_ITEMS_MAX = 16
"""Up to so many containers of up to so many items are looked into, where they are inside of a plain one."""
PLAIN_BYTES_MAX = 32 * 1024
"""Longer strings take the general way, which writes them without a copy."""

PICKLE_FIRST_BYTE = 0x80
MAGIC = b"\xceCR\x02"
HEADER = struct.Struct("<4sIIQ")
ID = struct.Struct(f"{OBJECT_ID_BYTES}s")
REFERENCE_AT = (reference_at.__module__, reference_at.__qualname__)
PADDING = bytes(ALIGNMENT_BYTES)

Part = bytes | memoryview
FIXED_ATOMS = frozenset({type(None), bool, int, float, complex})
LONG_ATOMS = frozenset({str, bytes})
ATOMS = FIXED_ATOMS | LONG_ATOMS
CONTAINERS = frozenset({list, tuple, dict})


class Serialized(msgspec.Struct, frozen=True, gc=False):
    """A serialised value: `parts` follow one another without gaps, `total_bytes` long altogether.

    Parts may be views of the value's own memory: write them before the value can change. `contained` are the ids
    of the references inside the value.
    """

    parts: list[Part]
    total_bytes: int
    contained: tuple[ObjectId, ...] = ()

    def to_bytes(self) -> bytes:
        """All parts in one, for a value that travels inline."""
        first = self.parts[0]
        if len(self.parts) == 1 and isinstance(first, bytes):
            return first
        return b"".join(self.parts)


def serialize(value: Any, name: str = "the value") -> Serialized:
    """The value as parts to be written. `name` is how an error calls it, such as "argument `x`".

    Raises SerializationError naming the smallest part that cannot be pickled.
    """
    if is_plain(value):
        data = pickle.dumps(value, 5)
        return Serialized([data], len(data))
    try:
        return pickle_parts(value)
    except Exception as error:
        raise_culprit(value, name, error)


def serialize_plain(value: Any) -> bytes | None:
    """A small value of builtin types as bytes, at once; None for all others, which `serialize` is for."""
    return pickle.dumps(value, 5) if is_plain(value) else None


def deserialize(data: bytes | memoryview, *, writable: bool = False) -> Any:
    """The value again; arrays in it are read-only views of `data` and keep it alive, or copies that may be changed.

    Raises InternalError for malformed data, and whatever the value's own classes raise when they are rebuilt.
    """
    if not data:
        raise InternalError("malformed value: it is empty")
    if data[0] == PICKLE_FIRST_BYTE:
        return load(data)
    view = memoryview(data).toreadonly()
    layout = read_header(view)
    buffers: list[bytearray | memoryview] = []
    at = layout.pickle_end
    for size in layout.buffer_sizes:
        at += -at % ALIGNMENT_BYTES
        buffers.append(bytearray(view[at : at + size]) if writable else view[at : at + size])
        at += size
    ids = bytes(view[layout.ids_at : layout.pickle_at])
    return load(view[layout.pickle_at : layout.pickle_end], buffers, ids)


def is_plain(value: Any) -> bool:
    """Whether the value is small and made of builtin types for which the plain C pickler does the right thing."""
    kind = type(value)
    if kind in ATOMS:
        return kind in FIXED_ATOMS or len(value) <= PLAIN_BYTES_MAX
    if kind is tuple or kind is list:
        return len(value) <= PLAIN_ITEMS_MAX and are_plain(value)
    if kind is dict:
        return len(value) <= PLAIN_ITEMS_MAX and are_plain(value) and are_plain(value.values())
    return False


def are_plain(items: Collection[Any]) -> bool:
    """Whether all items are atoms, and none of them long; a few may be small containers of such."""
    if FIXED_ATOMS.issuperset(map(type, items)):
        return True
    may_nest = len(items) <= PLAIN_NESTED_MAX
    for item in items:
        kind = type(item)
        if kind in FIXED_ATOMS:
            continue
        if kind in LONG_ATOMS:
            if len(item) > PLAIN_BYTES_MAX:
                return False
        elif not may_nest or kind not in CONTAINERS or len(item) > PLAIN_NESTED_ITEMS_MAX or not are_atoms(item):
            return False
    return True


def are_atoms(container: Any) -> bool:
    """Whether a list, tuple or dict holds nothing but atoms, none of them long."""
    if type(container) is dict:
        return are_atoms(tuple(container)) and are_atoms(tuple(container.values()))
    return FIXED_ATOMS.issuperset(map(type, container)) or all(
        type(item) in FIXED_ATOMS or (type(item) in LONG_ATOMS and len(item) <= PLAIN_BYTES_MAX) for item in container
    )


def pickle_parts(value: Any) -> Serialized:
    """The general way; whatever fails inside is raised as it is."""
    sink = Sink()
    out_of_band: list[pickle.PickleBuffer] = []
    found: dict[ObjectId, int] = {}
    stack = reference_seam.collectors.stack
    stack.append(found)
    try:
        ValuePickler(sink, 5, out_of_band.append, found).dump(value)
    finally:
        stack.pop()
    if not out_of_band and not found:
        parts = sink.parts
        return Serialized(parts, sum(map(len, parts)))
    return lay_out(sink.parts, [buffer.raw() for buffer in out_of_band], tuple(found))


def lay_out(pickled: list[Part], buffers: list[memoryview], contained: tuple[ObjectId, ...]) -> Serialized:
    """Header, ids, pickle and aligned buffers as parts."""
    pickle_bytes = sum(map(len, pickled))
    header = HEADER.pack(MAGIC, len(buffers), len(contained), pickle_bytes)
    header += struct.pack(f"<{len(buffers)}Q", *map(len, buffers)) + b"".join(contained)
    parts: list[Part] = [header, *pickled]
    at = len(header) + pickle_bytes
    for buffer in buffers:
        padding = -at % ALIGNMENT_BYTES
        if padding:
            parts.append(PADDING[:padding])
        parts.append(buffer)
        at += padding + len(buffer)
    return Serialized(parts, at, contained)


class Layout(NamedTuple):
    """Where the parts of a value lie, but for the buffers, each of which begins at the next aligned place."""

    ids_at: int
    pickle_at: int
    pickle_end: int
    buffer_sizes: tuple[int, ...]


def read_header(view: memoryview) -> Layout:
    """Where everything is, checked against the length of the whole."""
    try:
        magic, buffer_count, reference_count, pickle_bytes = HEADER.unpack_from(view)
        if magic != MAGIC:
            raise InternalError(f"malformed value: it begins with {bytes(view[:4])!r}")
        if buffer_count > len(view) // 8:
            raise InternalError(f"malformed value: {buffer_count} buffers in {len(view)} bytes")
        sizes = struct.unpack_from(f"<{buffer_count}Q", view, HEADER.size)
    except struct.error as error:
        raise InternalError(f"malformed value: {len(view)} bytes, the header is cut off") from error
    ids_at = HEADER.size + 8 * buffer_count
    pickle_at = ids_at + OBJECT_ID_BYTES * reference_count
    at = pickle_end = pickle_at + pickle_bytes
    for size in sizes:
        at += -at % ALIGNMENT_BYTES + size
    if at > len(view):
        raise InternalError(f"malformed value: {at} bytes by its header, {len(view)} there")
    return Layout(ids_at, pickle_at, pickle_end, sizes)


def load(data: bytes | memoryview, buffers: Iterable[Any] = (), ids: bytes = b"") -> Any:
    """Unpickle; errors say what was going on. `ids` are those of the references, one after another."""
    try:
        if ids:
            references = reference_seam.rebuild([object_id for (object_id,) in ID.iter_unpack(ids)])
            return ReferencesUnpickler(data, buffers, references).load()
        return pickle.loads(data, buffers=buffers) if buffers else pickle.loads(data)
    except (pickle.UnpicklingError, EOFError) as error:
        raise InternalError(f"malformed value: {str(error) or 'cut off'} ({len(data)} bytes of pickle)") from error
    except ImportError as error:
        error.add_note(
            "A value sent from another process needs this module here: install it in the environment of the "
            "workers, or make the module importable from their folder."
        )
        raise
    except Exception as error:
        error.add_note("Raised while a value sent from another process was rebuilt.")
        raise


class Sink:
    """A file to the pickler that keeps what is written; large bytes and strings are passed on without a copy."""

    __slots__ = ("parts", "write")

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.write: Callable[[bytes], object] = self.parts.append


class ValuePickler(Pickler):
    """Cloudpickle with arrays always out of band and references by their number in `found`."""

    def __init__(
        self,
        file: Any,
        protocol: int,
        buffer_callback: Callable[[pickle.PickleBuffer], object],
        found: dict[ObjectId, int],
    ) -> None:
        super().__init__(file, protocol, buffer_callback)
        self._reduce_array = ArrayReducer.current().reduce
        self._reference_class = reference_seam.reference_class
        self._id_of = reference_seam.id_of
        self._found = found

    def reducer_override(self, obj: Any) -> Any:
        """See `pickle.Pickler.reducer_override`; called for all but plain builtin data."""
        if type(obj) is self._reference_class:
            found = self._found
            return reference_at, (found.setdefault(self._id_of(obj), len(found)),)
        if obj is rebuild_array or obj is reference_at:
            # Cloudpickle would look at length whether our own functions can be imported.
            return NotImplemented
        reduced = self._reduce_array(obj)
        if reduced is not NotImplemented:
            return reduced
        return super().reducer_override(obj)


class ReferencesUnpickler(pickle.Unpickler):
    """For pickles that name references by their numbers."""

    def __init__(self, data: bytes | memoryview, buffers: Iterable[Any], references: list[Any]) -> None:
        super().__init__(io.BytesIO(data), buffers=buffers)
        self._references = references

    def find_class(self, module: str, name: str) -> Any:
        """See `pickle.Unpickler.find_class`; called once for each name."""
        if (module, name) == REFERENCE_AT:
            return self._references.__getitem__
        return super().find_class(module, name)


def raise_culprit(value: Any, name: str, error: Exception) -> NoReturn:
    """SerializationError for the part of `value` because of which pickling raised `error`."""
    if isinstance(error, SessionLostError):
        raise error  # a reference of an ended session, which says so itself
    from cellray.serialization.culprit import find_culprit

    raise find_culprit(value, name, error) from error
