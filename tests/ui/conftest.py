"""Fixtures of the UI tests: a real JupyterLab, a real Chromium, and one page of it for each test."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.ui.lab import Lab
from tests.ui.server import JupyterServer

TEST_S_MAX = 300
# ipywidgets says so in every notebook that is opened without a kernel.
NO_KERNEL = "Cannot read properties of null (reading 'kernel')"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    # Whatever the page asks of another host fails, here as on a machine without a network.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip


RERUNS_MAX = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_S_MAX))  # a test's own comes first
            # On a loaded machine JupyterLab itself loses a click or a message now and then. What fails again is ours.
            item.add_marker(pytest.mark.flaky(reruns=RERUNS_MAX))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a picture of what a failing test saw."""
    report = yield
    if report.when == "call" and report.failed and isinstance(item, pytest.Function):
        lab = item.funcargs.get("lab")
        if isinstance(lab, Lab):
            report.sections.append(("picture", str(lab.screenshot(f"failed-{item.name}"))))
    return report


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    with JupyterServer(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the whole session: while it lives, an event loop runs on this thread, and other tests may need
    # their own.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        yield browser
        browser.close()


def find_browser() -> str:
    """Return the path of the browser."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, f"The UI tests need one of {', '.join(BROWSERS)} on PATH; `make test` installs it where it can"
    return found


@pytest.fixture
def lab(jupyter: JupyterServer, browser: Browser) -> Iterator[Lab]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    crashes: list[str] = []
    page.on("pageerror", lambda error: None if NO_KERNEL in str(error) else crashes.append(str(error)))
    yield Lab(jupyter, page)
    context.close()
    jupyter.end_kernels()  # so that the next test has the machine for itself
    assert not crashes, "The page raised:\n" + "\n".join(crashes)
