"""Which part of a value cannot be pickled, named as the user would name it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cellray.errors import SerializationError


def find_culprit(value: Any, name: str, error: Exception) -> SerializationError:
    """The error for the user."""
    return SerializationError(name, f"{type(error).__name__}: {error}")


def find_argument_culprit(
    args: tuple[Any, ...], kwargs: dict[str, Any], function: Callable[..., Any] | None, error: Exception
) -> SerializationError:
    """The error for the user."""
    return SerializationError("an argument", f"{type(error).__name__}: {error}")
