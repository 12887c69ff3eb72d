"""Facts as bytes: a frame's payload, or a record of the log."""

from __future__ import annotations

import msgspec

from cellray.model.fact.kinds import Fact

fact_encoder = msgspec.msgpack.Encoder()
fact_decoder = msgspec.msgpack.Decoder(list[Fact])


def encode_facts(facts: list[Fact]) -> bytes:
    """A frame's payload, or a log record."""
    return fact_encoder.encode(facts)


def decode_facts(data: bytes | memoryview) -> list[Fact]:
    """Back from `encode_facts`. Raises msgspec.DecodeError or ValidationError for anything else."""
    return fact_decoder.decode(data)
