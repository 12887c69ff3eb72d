"""What a user can do about a value that cannot be sent, by what kind of thing it is."""

from __future__ import annotations

import asyncio
import io
import queue
import socket
import threading
import types
import weakref
from concurrent.futures import Executor, Future
from typing import Any

DEFAULT_ADVICE = (
    "Create it inside the task, pass what it is made from instead, or give its class a __reduce__ or __getstate__ "
    "that leaves out what cannot be sent."
)
LOCK_ADVICE = (
    "A lock works in one process only. Create it inside the task, or give the class that holds it a "
    "__getstate__ that leaves it out; to share state between tasks use an actor."
)
ADVICE: tuple[tuple[tuple[type, ...], str], ...] = (
    (
        (io.IOBase,),
        "Pass the path instead and open the file inside the task, or pass what was read from it.",
    ),
    (
        (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event, threading.Semaphore),
        LOCK_ADVICE,
    ),
    (
        (threading.Thread, Executor, Future, threading.local, queue.SimpleQueue),
        "Threads belong to one process. Start them inside the task, or use tasks instead.",
    ),
    ((queue.Queue,), "A queue works in one process only. Use an actor that holds the queue."),
    ((socket.socket,), "Pass the address instead and connect inside the task, or keep it in an actor."),
    ((types.GeneratorType,), "Pass a list of its items, or the function that makes it."),
    (
        (types.CoroutineType, types.AsyncGeneratorType, asyncio.Future, asyncio.AbstractEventLoop),
        "Pass the function and its arguments instead and run it inside the task with asyncio.run.",
    ),
    ((weakref.ReferenceType,), "Pass the object itself instead of a weak reference."),
    ((types.FrameType, types.TracebackType), "Pass its text instead, as by the traceback module."),
)
CONNECTION_WORDS = ("connection", "cursor", "session", "client", "engine", "channel")


def advice_for(value: Any, error: Exception) -> str:
    """A sentence for the user."""
    if is_too_deep(error):
        return "Flatten it: use a list of nodes instead of nodes that hold each other, or raise sys.setrecursionlimit."
    for kinds, advice in ADVICE:
        if isinstance(value, kinds):
            return advice
    name = type(value).__name__.lower()
    if any(word in name for word in CONNECTION_WORDS):
        return "Open it inside the task, or keep it in an actor, and pass what it is opened with."
    return DEFAULT_ADVICE


def is_too_deep(error: Exception) -> bool:
    """Whether pickling ended at the recursion limit (cloudpickle wraps that)."""
    return isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError)
