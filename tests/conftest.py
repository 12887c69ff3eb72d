"""What every test gets: a repeatable profile for Hypothesis, and sessions that leave no log on disk."""

from __future__ import annotations

import os

from hypothesis import settings

# A loaded machine must not fail a test by being slow: pytest-timeout ends what hangs. A failing example is
# printed as a blob that replays it.
settings.register_profile("cellray", deadline=None, print_blob=True)
settings.load_profile("cellray")

# A log that outlives its session is finished in the background: only the tests of that shall pay for it.
os.environ.setdefault("CELLRAY_LOG_ARCHIVE_BYTES_MAX", "0")
