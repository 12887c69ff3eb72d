"""`multiprocessing.Pool` on the session, under Ray's names."""

from multiprocessing import JoinableQueue, TimeoutError  # noqa: A004

from cellray.util.multiprocessing.pool import Pool

__all__ = ["JoinableQueue", "Pool", "TimeoutError"]
