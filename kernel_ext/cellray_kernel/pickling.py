"""Which of a cell's values cannot be copied to another process, and why."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
from cellray.exceptions import SerializationError


def name_culprit(values: Mapping[str, Any], error: BaseException) -> BaseException:
    """Which of several values does not pickle, as an error that says so; `error` itself when none is to blame."""
    for name, value in values.items():
        reason = why_unpicklable(value)
        if reason is not None:
            return SerializationError(
                name, reason, f"Make {name} inside the remote cell instead, or leave out what cannot be copied."
            )
    return error


def why_unpicklable(value: Any) -> str | None:
    """The reason why a value cannot be copied to another process, None when it can. Nothing is kept in memory."""
    if type(value) in _PLAIN_TYPES:
        return None
    try:
        pickler = cloudpickle.Pickler(_Nowhere(), protocol=5, buffer_callback=lambda buffer: False)
        pickler.dump(value)
    except RecursionError:
        return "it is nested too deeply"
    except Exception as error:
        return str(error) or type(error).__name__
    return None


_PLAIN_TYPES = frozenset({int, float, complex, bool, str, bytes, type(None)})


class _Nowhere(io.RawIOBase):
    """A file that counts nothing and keeps nothing."""

    def write(self, data: Any) -> int:
        """Throw `data` away; its length in bytes."""
        return pickle.PickleBuffer(data).raw().nbytes
