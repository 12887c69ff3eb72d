"""joblib on the session: `register_cellray()`, then `joblib.parallel_config("cellray")`."""

from __future__ import annotations


def register_cellray() -> None:
    """Make the backend known to joblib as "cellray".

        register_cellray()
        with joblib.parallel_config("cellray"):
            joblib.Parallel()(joblib.delayed(f)(i) for i in range(1000))

    Raises ImportError when joblib is not installed.
    """
    _register("cellray")


def register_ray() -> None:
    """The same under Ray's name, for programs that were written for it."""
    _register("ray")


def _register(name: str) -> None:
    try:
        from joblib.parallel import register_parallel_backend
    except ImportError:
        raise ImportError("this needs joblib: pip install joblib") from None
    from cellray.util.joblib.backend import CellrayBackend

    register_parallel_backend(name, CellrayBackend)
