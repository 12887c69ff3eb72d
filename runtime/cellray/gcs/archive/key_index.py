"""The index of an archive: which records of which segment are found under a key, in one SQLite file.

Written by the one process that writes the archive, after the segment it tells of is complete; read by any. It holds
nothing that the segments do not say, so one that is damaged or missing is made again.
"""

from __future__ import annotations

import sqlite3
import threading
from array import array
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cellray.errors import LogError

BUSY_TIMEOUT_S = 10.0
LAYOUT = 1
"""Kept as SQLite's `user_version`: an index of another layout is made again."""
_TABLES = """
create table if not exists segments (first integer primary key, last integer not null);
create table if not exists entries (
    key blob not null, first integer not null, distances blob not null, primary key (key, first)
) without rowid;
"""


class KeyIndex:
    """One file; from any thread, one call at a time. Raises LogError when it cannot be read or written."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self._path = path
        self._lock = threading.Lock()
        mode = "rwc" if writable else "ro"
        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._explain(error) from None
        try:
            (layout,) = self._connection.execute("pragma user_version").fetchone()
            if writable and layout == 0:  # a new file's
                self._connection.executescript(f"{_TABLES} pragma user_version = {LAYOUT};")
            elif layout != LAYOUT:
                raise sqlite3.DatabaseError("it has another layout")
        except sqlite3.Error as error:
            self._connection.close()
            raise self._explain(error) from None

    def add(self, first: int, last: int, keys: Mapping[bytes, Sequence[int]]) -> None:
        """A segment, with the sequences that are found under each key: all of it or nothing."""
        entries = [
            (key, first, array("I", [sequence - first for sequence in sequences]).tobytes())
            for key, sequences in sorted(keys.items())
        ]
        with self._lock:
            try:
                with self._connection:
                    self._connection.execute("insert or replace into segments values (?, ?)", (first, last))
                    self._connection.executemany("insert or replace into entries values (?, ?, ?)", entries)
            except sqlite3.Error as error:
                raise self._explain(error) from None

    def remove(self, first: int) -> None:
        """A segment that is not there any more."""
        with self._lock:
            try:
                with self._connection:
                    self._connection.execute("delete from segments where first = ?", (first,))
                    self._connection.execute("delete from entries where first = ?", (first,))
            except sqlite3.Error as error:
                raise self._explain(error) from None

    def segments(self) -> set[int]:
        """The first sequences of the segments in it."""
        return {first for (first,) in self._ask("select first from segments", ())}

    def find(self, key: bytes) -> dict[int, list[int]]:
        """By the first sequence of each segment: the sequences of its records under the key, in order."""
        found: dict[int, list[int]] = {}
        for first, distances in self._ask("select first, distances from entries where key = ? order by first", (key,)):
            steps = array("I")
            try:
                steps.frombytes(distances)
            except (ValueError, TypeError):
                raise LogError(f"the index {self._path} is damaged. Remove it; it is made again.") from None
            found[first] = [first + step for step in steps]
        return found

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _ask(self, question: str, values: Iterable[object]) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(question, tuple(values)).fetchall()
            except sqlite3.Error as error:
                raise self._explain(error) from None

    def _explain(self, error: sqlite3.Error) -> LogError:
        is_full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        advice = "Make room on its disk." if is_full else "Remove it; it is made again."
        return LogError(f"the index {self._path} cannot be used: {error}. {advice}")
