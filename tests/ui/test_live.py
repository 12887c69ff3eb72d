"""Remote cells in a live notebook: what moves while they run, and what is left when they are ended."""

from __future__ import annotations

import json
import re

import psutil
import pytest
from playwright.sync_api import Locator, expect

from tests.helpers.polling import eventually
from tests.helpers.processes import has_ended
from tests.ui.lab import Lab
from tests.ui.server import JupyterServer, marked

SETUP = "%load_ext cellray\nimport time"
SLOW = "%%remote --for i in range({many})\ntime.sleep({seconds})\ni"
MANY_DAYS = 100_000
GRAPH = 1


def line(lab: Lab, cell: int) -> Locator:
    """The progress line of a remote cell."""
    return lab.cell(cell).get_by_role("status")


def begin(lab: Lab, name: str, *sources: str) -> None:
    """Open a notebook whose first cells load the extension and show the graph, and run these."""
    lab.open(lab.new_notebook(name, SETUP, "%graph", *sources))
    lab.run_cell(0)
    lab.run_cell(GRAPH)
    expect(lab.graph(GRAPH)).to_contain_text("Nothing has run yet")


def test_graph_and_line_move_while_the_cell_is_busy(lab: Lab) -> None:
    begin(lab, "busy", SLOW.format(many=40, seconds=0.1))
    lab.start_cell(2)
    seen: set[tuple[int, str]] = set()
    while len(seen) < 4:
        lab.page.wait_for_timeout(150)
        moment = (lab.graph_number(GRAPH, "finished"), line(lab, 2).inner_text())
        assert lab.prompt(2) == "*", f"the cell ended before this was seen to move: {seen}"
        if moment[0] and re.search(r"[1-9]\d*/40 done", moment[1]):
            seen.add(moment)
    assert len({finished for finished, _ in seen}) > 1
    lab.screenshot("live-busy")
    lab.wait_cell_done(2)
    expect(line(lab, 2)).to_contain_text("40 tasks done in")
    expect(lab.graph(GRAPH)).to_have_attribute("data-finished", "40")


def test_interrupting_cancels_the_tasks_and_nothing_else(lab: Lab) -> None:
    begin(lab, "interrupted", SLOW.format(many=6, seconds=MANY_DAYS), SLOW.format(many=2, seconds=0))
    lab.start_cell(2)
    expect(lab.graph(GRAPH)).to_have_attribute("data-running", re.compile("[12]"))
    lab.do("notebook:interrupt-kernel")
    lab.wait_cell_done(2)
    assert lab.error(2) == "In [3] interrupted: 6 tasks cancelled."
    expect(line(lab, 2)).to_contain_text("0/6 done, 6 cancelled")
    expect(line(lab, 2)).to_contain_text("interrupted")
    expect(lab.graph(GRAPH)).to_have_attribute("data-cancelled", "6")
    lab.screenshot("live-interrupted")
    lab.run_cell(3)
    expect(line(lab, 3)).to_contain_text("2 tasks done")


def test_output_and_value_come_to_their_cell_while_another_runs(lab: Lab) -> None:
    table = "import pandas as pd\npd.DataFrame({'square': [n * n for n in range(3)]})"
    begin(
        lab,
        "elsewhere",
        f"%%remote\nfor step in range(3):\n    print('step', step, flush=True)\n    time.sleep(0.5)\n{table}",
        "for _ in range(25):\n    time.sleep(0.1)\nprint('not remote')",
    )
    lab.run_cell(2)
    lab.start_cell(3)
    expect(lab.cell(2)).to_contain_text("step 1")
    assert lab.prompt(3) == "*"
    expect(lab.cell(2).locator("table.dataframe")).to_contain_text("square")
    lab.wait_cell_done(3)
    assert lab.cell_output_text(3).strip() == "not remote"
    assert "step 2" in lab.cell_output_text(2)
    lab.screenshot("live-elsewhere")


@pytest.mark.parametrize("option", ["--wait", ""])
def test_an_error_shows_the_line_of_the_cell_once(lab: Lab, option: str) -> None:
    begin(lab, f"error{option}", f"%%remote {option}\nnumbers = [1, 2]\nnumbers[5]  # the culprit")
    lab.start_cell(2)
    lab.wait_cell_done(2)
    expect(lab.cell(2)).to_contain_text("IndexError")
    shown = lab.cell_output_text(2)
    assert shown.count("numbers[5]  # the culprit") == 1
    assert shown.count("IndexError") == 1
    assert "failed after" in shown
    assert len(shown.strip().splitlines()) <= 8, shown
    assert (lab.error(2) is None) == (not option)
    expect(lab.graph(GRAPH)).to_have_attribute("data-failed", "1")
    lab.screenshot(f"live-error{option}")


def test_restarting_the_kernel_ends_the_session_and_leaves_what_was_seen(lab: Lab, jupyter: JupyterServer) -> None:
    begin(lab, "restarted", SLOW.format(many=6, seconds=MANY_DAYS), SLOW.format(many=3, seconds=0))
    lab.run_cell(3)
    lab.start_cell(2)
    expect(lab.graph(GRAPH)).to_have_attribute("data-running", re.compile("[12]"))
    before = cellray_processes(jupyter)
    assert before
    lab.do("kernelmenu:restart")
    lab.page.locator(".jp-Dialog .jp-mod-accept").click()
    eventually(lambda: all(has_ended(process.pid) for process in before), "the old session ends", 30)
    lab.wait_kernel_idle()
    expect(lab.graph(GRAPH)).to_contain_text("The kernel ended at")
    expect(lab.graph(GRAPH)).to_have_attribute("data-finished", "3")
    lab.screenshot("live-restarted")
    for cell in (0, GRAPH, 3):
        lab.run_cell(cell)
    expect(lab.graph(GRAPH)).to_have_attribute("data-finished", "3")
    expect(lab.graph(GRAPH)).not_to_contain_text("The kernel ended at")


def cellray_processes(jupyter: JupyterServer) -> list[psutil.Process]:
    """Node, workers and GCS of the test's sessions."""
    return [
        process
        for process in marked(jupyter.mark)
        # By module: the clone's folder, and so the path of any Python in it, may be called cellray too.
        if re.search(r"cellray\.(node|engines)|redis-server", " ".join(process.cmdline()))
    ]


def test_rerunning_a_remote_cell_replaces_its_run(lab: Lab) -> None:
    begin(lab, "again", f"%%remote\ntime.sleep({MANY_DAYS} if first else 0)\n'the second'", "first = True")
    lab.run_cell(3)
    lab.run_cell(2)
    expect(lab.graph(GRAPH)).to_have_attribute("data-running", "1")
    lab.cell(3).locator(".cm-content").fill("first = False")
    lab.run_cell(3)
    lab.run_cell(2)
    expect(lab.cell(2)).to_contain_text("'the second'")
    expect(line(lab, 2)).to_have_count(1)
    expect(line(lab, 2)).to_contain_text(re.compile(r"done in .*replaces the run of In \[4\] \(1 cancelled\)"))
    expect(lab.graph(GRAPH)).to_have_attribute("data-cancelled", "1")
    expect(lab.graph(GRAPH)).to_have_attribute("data-finished", "1")


def saved_picture(lab: Lab, name: str, cell: int) -> str:
    """The SVG in a notebook's file."""
    lab.save()
    cells = json.loads((lab.server.root / f"{name}.ipynb").read_text())["cells"]
    pictures = [output.get("data", {}).get("image/svg+xml", "") for output in cells[cell]["outputs"]]
    return "".join("".join(picture) for picture in pictures)


@pytest.fixture
def executed(lab: Lab) -> Lab:
    """A notebook with a graph and a lineage that has run and is saved."""
    begin(lab, "saved", "%%remote\nvalue = 6 * 7", "%lineage value")
    lab.run_cell(2)
    lab.run_cell(3)
    expect(lab.graph(GRAPH)).to_have_attribute("data-finished", "1")
    expect(lab.graph(3)).to_contain_text("1/1 done")
    return lab


def test_the_saved_file_has_pictures_of_the_last_state(executed: Lab) -> None:
    eventually(lambda: "1/1 done" in saved_picture(executed, "saved", GRAPH), "the last state is saved")
    assert "Lineage of value: 1/1 done" in saved_picture(executed, "saved", 3)


@pytest.mark.parametrize("kernel", ["new kernel", "no kernel"])
def test_a_notebook_that_is_opened_again_shows_its_pictures(executed: Lab, kernel: str) -> None:
    lab = executed
    eventually(lambda: "1/1 done" in saved_picture(lab, "saved", GRAPH), "the last state is saved")
    lab.server.end_kernels()
    show = lab.open if kernel == "new kernel" else lab.open_without_kernel
    show(lab.server.root / "saved.ipynb")
    for cell, words in ((GRAPH, "Task graph: 1/1 done"), (3, "Lineage of value: 1/1 done")):
        picture = lab.cell(cell).get_by_test_id("cellray-saved-picture")
        expect(picture).to_be_visible()
        expect(picture).to_have_attribute("alt", words)
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
        assert not re.search("model not found|Loading widget", lab.cell(cell).inner_text())
    lab.screenshot(f"saved-{kernel}")
    if kernel == "new kernel":
        lab.run_cell(0)
        lab.run_cell(GRAPH)
        expect(lab.graph(GRAPH)).to_be_visible()


def test_reloading_the_page_brings_the_live_view_back(executed: Lab) -> None:
    executed.save()
    executed.page.reload()
    executed.wait_kernel_idle()
    expect(executed.graph(GRAPH)).to_have_attribute("data-finished", "1")
    expect(executed.cell(GRAPH).get_by_test_id("cellray-saved-picture")).to_be_hidden()
