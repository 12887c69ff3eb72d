"""NumPy arrays out of band: all that are plain memory, also strided and datetime ones, which NumPy itself copies.

NumPy's own reduction serves contiguous arrays of buffer-protocol types only; a strided or datetime array would
come back as a private writable copy and cost pandas frames their zero-copy reading. NumPy is never imported here:
a process that has not imported it has no arrays.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any, Literal


class ArrayReducer:
    """`reduce(obj)` for the NumPy that is loaded, or one that passes everything on while there is none."""

    _current: ArrayReducer | None = None

    def __init__(self, numpy: Any) -> None:
        self.ndarray: Any = numpy.ndarray

    @classmethod
    def current(cls) -> ArrayReducer | NoArrays:
        """The reducer for this process; remembered once NumPy is imported."""
        if cls._current is None:
            numpy = sys.modules.get("numpy")
            if numpy is None or not hasattr(numpy, "ndarray"):
                return NO_ARRAYS
            cls._current = cls(numpy)
        return cls._current

    def reduce(self, obj: Any) -> Any:
        """A reduction as of `__reduce_ex__`, or NotImplemented for what is no plain array."""
        if type(obj) is not self.ndarray:
            return NotImplemented
        dtype = obj.dtype
        kind = dtype.kind
        if kind not in "biufcMmSU" or dtype.metadata or obj.nbytes == 0:
            return NotImplemented
        flags = obj.flags
        order = "C"
        if not flags.c_contiguous:
            if flags.f_contiguous:
                order = "F"
            else:
                obj = obj.copy(order="C")
        memory = obj.view("i8") if kind in "mM" else obj
        return rebuild_array, (pickle.PickleBuffer(memory), dtype.str, obj.shape, order)


class NoArrays:
    """The reducer of a process without NumPy."""

    def reduce(self, obj: Any) -> Any:
        """Passes everything on."""
        return NotImplemented


NO_ARRAYS = NoArrays()


def rebuild_array(memory: Any, dtype: str, shape: tuple[int, ...], order: Literal["C", "F"]) -> Any:
    """An array over `memory`; what pickles of arrays call. Its import path is part of the format."""
    import numpy

    # Not `ndarray(buffer=...)`: it drops a memoryview for the object underneath, and with it the pin on the memory.
    flat = numpy.frombuffer(memory, dtype)
    return flat if len(shape) == 1 else flat.reshape(shape, order=order)
