"""`node/archive_keeper.py`: the archiver ends with its node, however that ends."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil
import pytest
from cellray.node.archive_keeper import ArchiveKeeper
from cellray.node.settings import SessionFolder


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    session = SessionFolder(str(tmp_path))
    os.mkdir(session.logs)
    return session


def archivers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "cellray.node.archiver" in child.cmdline()]


@pytest.mark.parametrize("has_loop", [True, False])
def test_it_is_ended_with_the_loop_and_after_it(folder: SessionFolder, has_loop: bool) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    keeper = ArchiveKeeper(folder, memory_bytes_max=1000)

    async def run() -> None:
        keeper.on_written(100)
        assert not archivers(), "the log has not grown yet"
        keeper.on_written(100)
        assert len(archivers()) == 1
        if has_loop:
            keeper.close()

    asyncio.run(run())
    keeper.close()
    assert not archivers()
    assert len(os.listdir("/proc/self/fd")) == descriptors
