"""init and shutdown: this process's session."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import threading
import time
import warnings
from typing import Any

import msgspec

from cellray.api import current
from cellray.api.options import check_resources, is_amount
from cellray.api.output_shown import OutputPrinter
from cellray.client.connect import connect
from cellray.config import Config, load_config
from cellray.engines.native import NativeEngine
from cellray.errors import SessionStartError
from cellray.ids import NodeId
from cellray.launch import find_session, new_session_folder, start_node, wait_nodes_ended
from cellray.model.task import RESOURCE_UNITS, make_resources
from cellray.node.settings import NodeSettings, SessionFolder
from cellray.ports import Engine
from cellray.store import MappedStore, check_room, default_arena_bytes
from cellray.wire import Hello

GCS_SCHEMES = ("redis://", "rediss://", "unix://")
END_TIMEOUT_S = 10.0
_lock = threading.RLock()


class Session(msgspec.Struct, frozen=True):
    """What `init` returns: how to find the session. Also a context manager that shuts it down."""

    session_id: str
    node_id: str
    address: str
    gcs_url: str
    owner: bool

    def __enter__(self) -> Session:
        return self

    def __repr__(self) -> str:
        # Without `gcs_url`, which holds the session's secret and would be saved in a notebook.
        return f"Session(session_id={self.session_id!r}, address={self.address!r}, owner={self.owner})"

    def __exit__(self, *_: object) -> None:
        shutdown()

    def disconnect(self) -> None:
        """Same as `cellray.shutdown()`."""
        shutdown()


_session: Session | None = None


def init(
    address: str | None = None,
    *,
    num_cpus: int | None = None,
    num_gpus: int | None = None,
    resources: dict[str, float] | None = None,
    object_store_memory: int | None = None,
    ignore_reinit_error: bool = False,
    log_to_driver: bool = True,
) -> Session:
    """Start a session, or join one that runs.

    `address`: None or "local" starts one (None joins `$CELLRAY_ADDRESS` if that is set); "auto" joins the latest
    session of this user; a session folder joins that one; a Redis URL (`redis://`, `rediss://`, `unix://`) starts
    a session whose control state is kept by that server. `num_cpus` (default: the cores this process may use),
    `num_gpus` and `resources` are what tasks may ask for; `object_store_memory` is in bytes (default: 30% of the
    free memory). `log_to_driver` prints what tasks print.

    A session that was lost is forgotten. Raises RuntimeError when there is one already (unless
    `ignore_reinit_error`), SessionLostError when there is
    none to join, GcsUnavailableError when the Redis server does not answer, ObjectStoreFullError when there is not as
    much memory, SessionStartError with the failing step otherwise.
    """
    global _session
    with _lock:
        engine = current.engine_or_none()
        if engine is not None and engine.is_lost:
            shutdown()
        elif engine is not None:
            if ignore_reinit_error:
                assert _session is not None
                return _session
            raise RuntimeError(
                "Maybe you called cellray.init twice by accident? This session is running already. Pass "
                "ignore_reinit_error=True to keep it, or call cellray.shutdown() before cellray.init() for a new one."
            )
        if address is not None and not isinstance(address, str):
            raise TypeError(f"address={address!r}: give 'local', 'auto', a session's folder or a Redis URL")
        config = load_config(os.environ)
        gcs_url = address if address is not None and address.startswith(GCS_SCHEMES) else ""
        join = address is None and os.environ.get("CELLRAY_ADDRESS")
        if gcs_url or (address in (None, "local") and not join):
            folder = _start(config, gcs_url, num_cpus, num_gpus, resources, object_store_memory)
            owner = True
        else:
            _refuse_sizes(num_cpus, num_gpus, resources, object_store_memory)
            folder = find_session(None if address in (None, "auto") else address)
            owner = False
        _session = _connect(folder, config, owner, log_to_driver)
        return _session


def _start(
    config: Config,
    gcs_url: str,
    num_cpus: int | None,
    num_gpus: int | None,
    resources: dict[str, float] | None,
    object_store_memory: int | None,
) -> SessionFolder:
    """Check everything that can be checked before any process is started, then start the node."""
    check_resources(resources or {})
    cpus = _number_of_cpus(num_cpus)
    if num_gpus is not None and not is_amount(num_gpus):
        raise ValueError(f"num_gpus={num_gpus!r}: give a number of at least 0")
    amounts = make_resources({**(resources or {}), "CPU": cpus, "GPU": num_gpus or 0})
    if object_store_memory is not None and (not isinstance(object_store_memory, int) or object_store_memory <= 0):
        raise ValueError(f"object_store_memory={object_store_memory!r}: give a number of bytes, such as 500_000_000")
    arena_bytes = object_store_memory or default_arena_bytes()
    check_room(arena_bytes)
    if gcs_url:
        from cellray.gcs.address import parse_address
        from cellray.gcs.connect import probe

        probe(parse_address(gcs_url), config.gcs_connect_timeout_s)
    session_id, folder = new_session_folder()
    start_node(
        folder,
        NodeSettings(
            session_id=session_id,
            node_id=NodeId(f"node-{session_id}"),
            started_at=time.time(),
            owner_pid=os.getpid(),
            resources=amounts,
            arena_bytes=arena_bytes,
            workers=max(1, int(cpus)),
            config=config,
            gcs_url=gcs_url,
            path=[entry or os.getcwd() for entry in sys.path],
        ),
    )
    return folder


def _number_of_cpus(num_cpus: int | None) -> int:
    if num_cpus is None:
        text = os.environ.get("CELLRAY_NUM_CPUS")
        if text and not text.isdecimal():
            raise ValueError(f"CELLRAY_NUM_CPUS={text!r}: give a whole number of at least 0")
        num_cpus = int(text) if text else len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    if num_cpus is None:
        num_cpus = os.cpu_count() or 1
    if isinstance(num_cpus, bool) or not isinstance(num_cpus, int) or num_cpus < 0:
        raise ValueError(f"num_cpus={num_cpus!r}: give a whole number of at least 0")
    return num_cpus


def _refuse_sizes(*sizes: object) -> None:
    if any(size is not None for size in sizes):
        raise ValueError(
            "When connecting to an existing session, num_cpus, num_gpus, resources and object_store_memory must not be "
            "given: it has its own. Leave them out, or start a new session with address='local'."
        )


def _connect(folder: SessionFolder, config: Config, owner: bool, log_to_driver: bool) -> Session:
    hello = Hello(folder.read_token(), "driver", os.getpid(), " ".join(sys.argv), owner)
    connected = connect(folder.node_socket, hello, config.session_start_timeout_s)
    store = MappedStore(connected.arena_fd)
    os.close(connected.arena_fd)
    node_config = msgspec.msgpack.decode(connected.welcome.config, type=Config)
    engine = NativeEngine(connected, store, node_config, role="driver")
    if log_to_driver:
        printer = OutputPrinter(config, os.environ)
        engine.output_listeners.append(printer.show)
        engine.close_listeners.append(printer.close)
    engine.warning_listeners.append(_show_warning)
    current.set_engine(engine)
    welcome = connected.welcome
    return Session(welcome.session_id, welcome.node_id, folder.path, welcome.gcs_url, owner)


def _show_warning(message: str) -> None:
    warnings.warn(message, stacklevel=2)


def shutdown() -> None:
    """Disconnect; a session that this process started ends, with all its processes. Does nothing without a session."""
    global _session
    with _lock:
        engine = current.engine_or_none()
        if engine is None:
            return
        session, _session = _session, None
        current.set_engine(None)
        engine.close()
        if session is not None and session.owner:
            if not wait_nodes_ended(END_TIMEOUT_S):
                raise SessionStartError(
                    f"the session's node did not end within {END_TIMEOUT_S:g} s; its folder is {session.address}"
                )
            shutil.rmtree(session.address, ignore_errors=True)  # a node that was killed could not


def started_engine() -> Engine:
    """The engine of this process; without a session one is started, as Ray does."""
    engine = current.engine_or_none()
    if engine is None:
        if current.has_no_session():
            init()
        engine = current.require_engine()
    return engine


def is_initialized() -> bool:
    """Whether this process has a session."""
    return current.engine_or_none() is not None


def current_session() -> Session | None:
    """This process's session, as `init` returned it."""
    return _session if is_initialized() else None


def cluster_resources() -> dict[str, float]:
    """Total amounts of all resources, such as `{"CPU": 2.0}`."""
    engine: Any = current.require_engine()
    return {name: units / RESOURCE_UNITS for name, units in engine.welcome.resources}


@atexit.register
def _shutdown_at_exit() -> None:
    with contextlib.suppress(Exception):
        shutdown()
