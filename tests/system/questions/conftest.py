"""One session a module: semantics as tables of cases, too many and too short for a session each."""

from tests.helpers.shared_session import home, session

__all__ = ["home", "session"]
