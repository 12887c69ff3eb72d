"""One session a module."""

from tests.helpers.shared_session import home, session

__all__ = ["home", "session"]
