"""The arena's allocator: never two blocks in one place, nothing lost, gaps joined."""

from __future__ import annotations

import pytest
from cellray.core.arena import ALIGNMENT_BYTES, Arena, align
from cellray.errors import InternalError
from hypothesis import given
from hypothesis import strategies as st


def test_best_fit_keeps_large_gaps() -> None:
    arena = Arena(1024)
    a, b, c = arena.allocate(64), arena.allocate(256), arena.allocate(64)
    assert (a, b, c) == (0, 64, 320)
    assert b is not None
    arena.free(b)
    assert arena.gaps() == [(64, 256), (384, 640)]
    assert arena.allocate(200) == 64, "the smaller gap that is large enough"
    assert arena.allocate(600) == 384


def test_neighbours_join_on_both_sides() -> None:
    arena = Arena(192)
    offsets = [arena.allocate(64) for _ in range(3)]
    assert offsets == [0, 64, 128]
    assert arena.allocate(1) is None
    for offset in (0, 128, 64):
        arena.free(offset)
    assert arena.gaps() == [(0, 192)]
    assert arena.largest_gap_bytes == 192


def test_an_empty_object_has_a_place_of_its_own() -> None:
    arena = Arena(128)
    assert {arena.allocate(0), arena.allocate(0)} == {0, 64}


def test_freeing_twice_is_an_error() -> None:
    arena = Arena(128)
    assert arena.allocate(10) == 0
    arena.free(0)
    with pytest.raises(InternalError, match="offset 0"):
        arena.free(0)


def test_an_arena_without_space() -> None:
    arena = Arena(10)
    assert arena.allocate(1) is None
    assert arena.largest_gap_bytes == 0


@given(st.lists(st.one_of(st.integers(0, 3000), st.none()), max_size=60), st.randoms(use_true_random=False))
def test_blocks_never_overlap_and_nothing_is_lost(steps: list[int | None], random: object) -> None:
    arena = Arena(8192)
    held: dict[int, int] = {}
    for step in steps:
        if step is None:
            if held:
                offset = random.choice(sorted(held))  # type: ignore[attr-defined]
                arena.free(offset)
                del held[offset]
        else:
            largest = arena.largest_gap_bytes
            offset = arena.allocate(step)
            assert (offset is None) == (largest < align(step))
            if offset is not None:
                held[offset] = align(step)
        assert arena.blocks() == held
        places = sorted([*held.items(), *arena.gaps()])
        assert [offset for offset, _ in places] == [sum(size for _, size in places[:i]) for i in range(len(places))]
        assert all(offset % ALIGNMENT_BYTES == 0 for offset, _ in places)
        gap_starts = {offset for offset, _ in arena.gaps()}
        assert not any(offset + size in gap_starts for offset, size in arena.gaps()), "two gaps meet"
        assert arena.used_bytes == sum(held.values())
    for offset in held:
        arena.free(offset)
    assert arena.gaps() == [(0, 8192)]
