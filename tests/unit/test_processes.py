"""`processes.py`: a child is ended in an orderly way, else by force, and buried."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from cellray import processes
from cellray.processes import end_process


def child(program: str) -> subprocess.Popen[bytes]:
    """That has said that it is there."""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    return process


POLITE = (
    "import signal, sys\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"  # one that came before `pause` would end no pause
    "print(flush=True)\n"
    "signal.sigwait({signal.SIGTERM})\n"
    "sys.exit(7)"
)
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(flush=True)\nwhile True: signal.pause()"


@pytest.mark.parametrize(
    ("program", "patience_s", "status"),
    [
        (POLITE, 20.0, 7),
        (POLITE, 0.0, -signal.SIGKILL),
        (DEAF, 0.1, -signal.SIGKILL),
    ],
)
def test_a_child_has_the_time_that_it_is_given(program: str, patience_s: float, status: int) -> None:
    process = child(program)
    end_process(process, patience_s)
    assert process.returncode == status


def test_one_that_has_ended_is_buried() -> None:
    process = child("print(flush=True)")
    end_process(process, 20.0)
    end_process(process)
    assert process.returncode in (0, -signal.SIGTERM)


def test_one_that_the_kernel_does_not_let_go_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped in a system call that no signal ends: here, nobody may wait at all."""
    monkeypatch.setattr(processes, "KILLED_S_MAX", 0.0)
    process = child(DEAF)
    end_process(process)
    process.wait(20.0)
