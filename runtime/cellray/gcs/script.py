"""The Lua scripts of this folder as the node's client calls them: by their digest, which costs the server no parsing.

script = Script("trim.lua")
reply = await script.run(client, pack_parts(b"1", key, argument), 3)
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cellray.gcs.faults import AnsweredError
from cellray.gcs.resp import Reply, RespClient, pack_parts


def read_script(name: str) -> bytes:
    """Its text."""
    return Path(__file__).with_name(name).read_bytes()


class Script:
    """One script, read once."""

    def __init__(self, name: str) -> None:
        text = read_script(name)
        digest = hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()
        self._by_digest = pack_parts(b"EVALSHA", digest)
        self._in_full = pack_parts(b"EVAL", text)

    async def run(self, client: RespClient, arguments: bytes, count: int) -> Reply:
        """With so many packed arguments, the number of keys and the keys in front. Raises what `client.call` does."""
        head = b"*%d\r\n" % (2 + count)
        try:
            return await client.call(head + self._by_digest + arguments)
        except AnsweredError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        # The server does not know it yet, or has been started again.
        return await client.call(head + self._in_full + arguments)
