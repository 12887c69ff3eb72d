"""init and shutdown: this process's session."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import platform
import secrets
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from cellray.api import current
from cellray.api.new_node import NewNode, new_node
from cellray.api.output_shown import OutputPrinter
from cellray.client.connect import connect
from cellray.config import Config, load_config
from cellray.engines.native import NativeEngine
from cellray.errors import SessionStartError
from cellray.ids import NodeId
from cellray.launch import find_session, new_session_folder, start_node, wait_nodes_ended
from cellray.model.environment import Environment
from cellray.node.ended_session import remove_session_folder
from cellray.node.settings import NodeSettings, SessionFolder
from cellray.ports import Engine
from cellray.runtime_env import check_runtime_env
from cellray.store import MappedStore
from cellray.wire import Hello

GCS_SCHEMES = ("redis://", "rediss://", "unix://")
END_TIMEOUT_S = 60.0
NODE_ID_BYTES = 28
WITHOUT_EFFECT = {
    "labels", "include_dashboard", "dashboard_host", "dashboard_port", "job_config", "configure_logging",
    "logging_format", "logging_config", "enable_resource_isolation", "cgroup_path", "system_reserved_cpu",
    "system_reserved_memory", "proxy_server_url", "_enable_object_reconstruction", "_plasma_directory",
    "_object_spilling_directory", "_node_ip_address", "_driver_object_store_memory", "_redis_username",
    "_redis_password", "_temp_dir", "_metrics_export_port", "_system_config", "_tracing_startup_hook", "_node_name",
    "_skip_env_hook",
}  # fmt: skip
"""Ray's arguments of `init` that have no meaning on one node without a dashboard."""
_lock = threading.RLock()


class Session(msgspec.Struct, frozen=True):
    """What `init` returns: how to find the session. Also a context manager that shuts it down, and Ray's context."""

    session_id: str
    node_id: str
    address: str
    gcs_url: str
    owner: bool

    dashboard_url: ClassVar[str] = ""
    """There is none: JupyterLab shows the session."""
    python_version: ClassVar[str] = platform.python_version()

    @property
    def address_info(self) -> dict[str, str]:
        """Ray's names for where things are."""
        folder = SessionFolder(self.address)
        return {
            "node_id": self.node_id,
            "node_ip_address": "127.0.0.1",
            "address": self.address,
            "gcs_address": self.address,
            "session_dir": self.address,
            "object_store_address": folder.node_socket,
            "raylet_socket_name": folder.node_socket,
            "webui_url": self.dashboard_url,
        }

    def __getitem__(self, key: str) -> str:
        return self.address_info[key]

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
    namespace: str | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    logging_level: int | str = logging.INFO,
    local_mode: bool = False,
    _memory: int | None = None,
    **of_ray: Any,
) -> Session:
    """Start a session, or join one that runs.

    `address`: None or "local" starts one (None joins `$CELLRAY_ADDRESS` if that is set); "auto" joins the latest
    session of this user; a session folder joins that one; a Redis URL (`redis://`, `rediss://`, `unix://`) starts
    a session whose control state is kept by that server. `num_cpus` (default: the cores this process may use),
    `num_gpus` (default: those that are found, within `$CUDA_VISIBLE_DEVICES`) and `resources` are what tasks may ask
    for; `object_store_memory` is in bytes (default: 30% of the free memory), and so is `_memory`, what tasks may ask
    for as `memory` (default: the rest of the free memory). `log_to_driver` prints what tasks print. Drivers of one
    `namespace` find each other's named actors (None: those of this driver are its own). `runtime_env` is what this
    driver's tasks find around them, see `cellray.runtime_env.RuntimeEnv`. `logging_level` is that of the logger
    "cellray". Ray's arguments that have no meaning here, such as `include_dashboard`, are taken and do nothing.

    A session that was lost is forgotten. Raises RuntimeError when there is one already (unless
    `ignore_reinit_error`), TypeError or ValueError for arguments that make no sense, SessionLostError when there is
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
        _check_of_ray(of_ray, local_mode)
        if address is not None and not isinstance(address, str):
            raise TypeError(f"address={address!r}: give 'local', 'auto', a session's folder or a Redis URL")
        check_namespace(namespace)
        environment = check_runtime_env(runtime_env)
        logging.getLogger("cellray").setLevel(logging_level)
        config = load_config(os.environ)
        gcs_url = address if address is not None and address.startswith(GCS_SCHEMES) else ""
        join = address is None and os.environ.get("CELLRAY_ADDRESS")
        if gcs_url or (address in (None, "local") and not join):
            node = new_node(num_cpus, num_gpus, resources, _memory, object_store_memory)
            folder = _start(config, gcs_url, node)
            owner = True
        else:
            _refuse_sizes(num_cpus, num_gpus, resources, _memory, object_store_memory)
            folder = find_session(None if address in (None, "auto") else address)
            owner = False
        _session = _connect(folder, config, owner, log_to_driver, environment, namespace or "")
        return _session


def _check_of_ray(given: Mapping[str, Any], local_mode: bool) -> None:
    unknown = [name for name in given if name not in WITHOUT_EFFECT]
    if unknown:
        raise TypeError(f"init() got an unexpected keyword argument {unknown[0]!r}")
    if local_mode:
        raise ValueError("local_mode is not supported. To debug a function, call what it wraps in this process.")


def _start(config: Config, gcs_url: str, node: NewNode) -> SessionFolder:
    """Everything that can be checked before any process is started has been, but for a server of the user's own."""
    if gcs_url:
        from cellray.gcs.address import parse_address
        from cellray.gcs.connect import probe

        probe(parse_address(gcs_url), config.gcs_connect_timeout_s)
    session_id, folder = new_session_folder()
    start_node(
        folder,
        NodeSettings(
            session_id=session_id,
            node_id=NodeId(secrets.token_hex(NODE_ID_BYTES)),
            started_at=time.time(),
            owner_pid=os.getpid(),
            resources=node.resources,
            arena_bytes=node.arena_bytes,
            workers=node.workers,
            config=config,
            gcs_url=gcs_url,
            path=[entry or os.getcwd() for entry in sys.path],
        ),
    )
    return folder


def check_namespace(namespace: Any) -> None:
    """Raise TypeError or ValueError, as Ray does, unless it is a name, or None."""
    if namespace is not None and not isinstance(namespace, str):
        raise TypeError(f'namespace={namespace!r}: "namespace" must be a string')
    if namespace == "":
        raise ValueError('"" is not a valid namespace. Pass None to not specify a namespace.')


def _refuse_sizes(*sizes: object) -> None:
    if any(size is not None for size in sizes):
        raise ValueError(
            "When connecting to an existing session, num_cpus, num_gpus, resources, _memory and object_store_memory "
            "must not be given: it has its own. Leave them out, or start a new session with address='local'."
        )


def _connect(
    folder: SessionFolder, config: Config, owner: bool, log_to_driver: bool, environment: Environment, namespace: str
) -> Session:
    hello = Hello(folder.read_token(), "driver", os.getpid(), " ".join(sys.argv), owner, namespace)
    connected = connect(folder.node_socket, hello, config.session_start_timeout_s)
    store = MappedStore(connected.arena_fd)
    os.close(connected.arena_fd)
    node_config = msgspec.msgpack.decode(connected.welcome.config, type=Config)
    engine = NativeEngine(connected, store, node_config, role="driver")
    engine.environment = environment
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
        for listener in () if engine.is_lost else tuple(current.before_end):
            with contextlib.suppress(Exception):  # a view that fails must not keep the session from ending
                listener()
        session, _session = _session, None
        current.set_engine(None)
        engine.close()
        if session is not None and session.owner:
            if not wait_nodes_ended(END_TIMEOUT_S):
                raise SessionStartError(
                    f"the session's node did not end within {END_TIMEOUT_S:g} s; its folder is {session.address}"
                )
            if os.path.exists(session.address):  # a node that was killed could not
                _tell_log_stays(session, remove_session_folder(SessionFolder(session.address)))


def _tell_log_stays(session: Session, problem: OSError | None) -> None:
    if problem is not None:
        _show_warning(
            f"the session's log cannot be moved to its archive: {problem}. It stays in {session.address} until the "
            f"next session starts: make room, and call cellray.open_log({session.session_id!r})"
        )


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


@atexit.register
def _shutdown_at_exit() -> None:
    with contextlib.suppress(Exception):
        shutdown()
