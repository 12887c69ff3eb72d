"""One session a module: what is tested here lies above the verbs, which are tested one folder up."""

from tests.helpers.shared_session import home, session

__all__ = ["home", "session"]
