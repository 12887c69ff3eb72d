"""Four drivers and their workers do ten thousand random things at once; everything that comes out is what a model says.

The seed is printed when something fails, and replays what was done (not in which order the drivers did it):

    STRESS_SEED=17 STRESS_VERBS=50000 .venv/bin/python -m pytest tests/system/test_stress.py
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cellray
import pytest
from cellray import Session
from cellray.model.fact import ObjectSpilled

from tests.helpers.control import StatusReader
from tests.helpers.event_log import of_type, read_facts
from tests.helpers.leaks import nothing_lost
from tests.helpers.stress.driver import BOARD, NAMESPACE
from tests.helpers.stress.remotes import Board

ROOT = Path(__file__).parents[2]
THREADS = (1, 1, 1, 2)
"""Of each driver."""
DRIVERS = len(THREADS)
VERBS = int(os.environ.get("STRESS_VERBS", "10000"))
SEED = int(os.environ.get("STRESS_SEED", "1"))
STORE_BYTES = 8_000_000
KILL_PAUSE_S = (0.05, 0.3)

pytestmark = pytest.mark.timeout(max(120, VERBS / 50))


@pytest.fixture
def small_session(home: str) -> Iterator[Session]:
    """Two CPUs, and less shared memory than the drivers hold objects."""
    started = cellray.init(num_cpus=2, object_store_memory=STORE_BYTES, log_to_driver=False)
    yield started
    cellray.shutdown()


class Drivers:
    """The processes. Any that fails ends the test, with what it had to say."""

    def __init__(self, session: Session, seed: int, verbs: int, *options: str) -> None:
        command = [sys.executable, "-m", "tests.helpers.stress.driver", session.address]
        self.processes = [
            subprocess.Popen(
                [*command, str(seed * 1000 + number), str(verbs // DRIVERS), str(threads), *options],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number, threads in enumerate(THREADS)
        ]
        self.expect("ready")

    def expect(self, word: str) -> int:
        """A line from each; the sum of the numbers in them."""
        return sum(self._line(process, word) for process in self.processes)

    def go_on(self) -> None:
        """Let them continue."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

    def wait(self) -> None:
        """All end well."""
        for process in self.processes:
            assert process.wait(30) == 0, f"seed {SEED}: {process.communicate()[1]}"
            process.communicate()

    def kill(self) -> None:
        """Whatever happened."""
        for process in self.processes:
            process.kill()
            process.communicate()

    def _line(self, process: subprocess.Popen[str], word: str) -> int:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith(word):
            raise AssertionError(f"seed {SEED}: {line}{process.communicate()[1]}")
        return int(line.removeprefix(word).strip() or 0)


@contextmanager
def playing(session: Session, reader: StatusReader, verbs: int, *options: str) -> Iterator[Drivers]:
    """Drivers that play, from their start to the look at what is left."""
    with nothing_lost(session.address, reader):
        board = Board.options(name=BOARD, namespace=NAMESPACE, lifetime="detached").remote()
        cellray.get(board.swap.remote(-1, None))
        drivers = Drivers(session, SEED, verbs, *options)
        try:
            drivers.go_on()
            yield drivers
            cellray.kill(board)
            drivers.go_on()
            drivers.wait()
        finally:
            drivers.kill()
        del board


class Killer:
    """Kills busy workers at random while the block runs. `killed`: how many."""

    def __init__(self, session: Session, seed: int) -> None:
        self.killed = 0
        self._session = session
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        reader = StatusReader()
        while not self._over.wait(self._random.uniform(*KILL_PAUSE_S)):
            busy = [worker.pid for worker in reader.read(self._session.address).workers if worker.state == "busy"]
            if busy:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._random.choice(busy), signal.SIGKILL)
                    self.killed += 1
        reader.close()


def test_everything_is_as_the_model_says(small_session: Session, status_reader: StatusReader) -> None:
    with playing(small_session, status_reader, VERBS) as drivers:
        assert drivers.expect("checked") > VERBS / 4
    assert status_reader.read(small_session.address).tasks["cancelled"] > 0
    assert of_type(read_facts(small_session), ObjectSpilled), "the store was too large to be of interest"


def test_killed_workers_change_no_result(small_session: Session, status_reader: StatusReader) -> None:
    verbs = VERBS // 4
    with playing(small_session, status_reader, verbs, "with_faults") as drivers, Killer(small_session, SEED) as killer:
        assert drivers.expect("checked") > verbs / 4
    assert killer.killed > verbs / 1000
