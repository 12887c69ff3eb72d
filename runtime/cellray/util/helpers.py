"""Results as they come, and where this node is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import cellray
from cellray import ObjectRef, RemoteFunction

CHUNK_SIZE = 10
BACKPRESSURE_SIZE = 100
LOOPBACK = "127.0.0.1"


def as_completed(
    refs: Sequence[ObjectRef], *, chunk_size: int = CHUNK_SIZE, yield_obj_refs: bool = False, **kwargs: Any
) -> Iterator[Any]:
    """Values (or, with `yield_obj_refs`, references) as they become ready, `chunk_size` at a time.

    `kwargs` go to `cellray.wait`. Raises what the failed ones raised.

        for value in as_completed([f.remote(i) for i in range(100)]):
            ...
    """
    _check(chunk_size, kwargs)
    return _as_completed(list(refs), chunk_size, yield_obj_refs, kwargs)


def map_unordered(
    fn: RemoteFunction,
    items: Iterable[Any],
    *,
    backpressure_size: int | None = BACKPRESSURE_SIZE,
    chunk_size: int = CHUNK_SIZE,
    yield_obj_refs: bool = False,
    **kwargs: Any,
) -> Iterator[Any]:
    """Results of `fn.remote(item)` for each item, as they come, with at most `backpressure_size` tasks under way
    (None: no limit). The items are taken as there is room, so that they may be endless."""
    limit = float("inf") if backpressure_size is None else backpressure_size
    if limit <= 0:
        raise ValueError("backpressure_size must be positive.")
    _check(chunk_size, kwargs)

    def results() -> Iterator[Any]:
        refs: list[ObjectRef] = []
        for item in items:
            refs.append(fn.remote(item))
            if len(refs) >= limit:
                ready, refs = _take(refs, chunk_size, yield_obj_refs, kwargs)
                yield from ready
        yield from _as_completed(refs, chunk_size, yield_obj_refs, kwargs)

    return results()


def _as_completed(
    refs: list[ObjectRef], chunk_size: int, yield_obj_refs: bool, kwargs: dict[str, Any]
) -> Iterator[Any]:
    while refs:
        ready, refs = _take(refs, chunk_size, yield_obj_refs, kwargs)
        yield from ready


def _take(
    refs: list[ObjectRef], chunk_size: int, yield_obj_refs: bool, kwargs: dict[str, Any]
) -> tuple[list[Any], list[ObjectRef]]:
    ready, rest = cellray.wait(refs, num_returns=min(chunk_size, len(refs)), **kwargs)
    return (ready if yield_obj_refs else cellray.get(ready)), rest


def _check(chunk_size: int, kwargs: dict[str, Any]) -> None:
    if chunk_size < 1:
        raise ValueError("`chunk_size` must be >= 1")
    if "num_returns" in kwargs:
        raise ValueError("Use the `chunk_size` argument instead of `num_returns`.")


def get_node_ip_address() -> str:
    """The address of this process's node: the loopback one, because a session is one host that opens no port."""
    return LOOPBACK
