"""What every test gets: a repeatable profile for Hypothesis."""

from __future__ import annotations

from hypothesis import settings

# A loaded machine must not fail a test by being slow: pytest-timeout ends what hangs. A failing example is
# printed as a blob that replays it.
settings.register_profile("cellray", deadline=None, print_blob=True)
settings.load_profile("cellray")
