"""`gcs/keys.py`: keys of one session share one hash tag."""

from __future__ import annotations

import pytest
from cellray.gcs.keys import entry_id, sequence_of, session_keys
from cellray.ids import SessionId


def test_all_keys_of_a_session_carry_its_hash_tag() -> None:
    keys = session_keys(SessionId("s-1"))
    assert keys.log == b"cellray:{s-1}:log"
    assert all(key.startswith(b"cellray:{s-1}:") for key in keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("bad", ["", "a{b", "a}b"])
def test_an_id_that_would_break_the_hash_tag_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a key"):
        session_keys(SessionId(bad))


@pytest.mark.parametrize("sequence", [1, 42, 2**40])
def test_entry_ids_are_sequences(sequence: int) -> None:
    assert sequence_of(entry_id(sequence)) == sequence
