"""What is moved out: neighbours that nobody has used for long, and no more of them than needed."""

from __future__ import annotations

from cellray.core.arena import Arena
from cellray.core.eviction import choose, stretches
from hypothesis import given
from hypothesis import strategies as st

MUCH = 1 << 60


def test_the_oldest_that_make_room_together() -> None:
    pieces = stretches({0: 100, 100: 100, 200: 100, 300: 100}, [], {0: 5, 100: 1, 200: 2, 300: 9})
    assert choose(pieces, 100, MUCH) == [100]
    assert choose(pieces, 200, MUCH) == [100, 200]
    assert choose(pieces, 300, MUCH) == [0, 100, 200]
    assert choose(pieces, 401, MUCH) == []


def test_gaps_count_and_what_must_stay_divides() -> None:
    pieces = stretches({0: 100, 150: 100, 250: 100}, [(100, 50)], {0: 2, 250: 1})
    assert choose(pieces, 150, MUCH) == [0]
    assert choose(pieces, 151, MUCH) == []


def test_the_limit_of_bytes_to_move() -> None:
    pieces = stretches({0: 100, 100: 60}, [(160, 40)], {0: 1, 100: 2})
    assert choose(pieces, 100, 100) == [0]
    assert choose(pieces, 100, 60) == [100]
    assert choose(pieces, 100, 59) == []


@given(st.lists(st.tuples(st.integers(1, 500), st.booleans(), st.integers(0, 9)), max_size=20), st.integers(1, 1500))
def test_what_is_chosen_makes_room_and_nothing_pinned_moves(
    made: list[tuple[int, bool, int]], wanted_bytes: int
) -> None:
    arena = Arena(4096)
    movable: dict[int, int] = {}
    for size, may_move, used in made:
        offset = arena.allocate(size)
        if offset is None:
            break
        if may_move:
            movable[offset] = used
    pieces = stretches(arena.blocks(), arena.gaps(), movable)
    chosen = choose(pieces, wanted_bytes, MUCH)
    assert set(chosen) <= set(movable)
    everything_fits = arena.largest_gap_bytes >= wanted_bytes
    for offset in chosen:
        arena.free(offset)
    if chosen:
        assert arena.largest_gap_bytes >= wanted_bytes
    elif not everything_fits:
        for offset in movable:
            arena.free(offset)
        assert arena.largest_gap_bytes < wanted_bytes, "it gave up although there was a way"
