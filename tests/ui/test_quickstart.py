"""The quickstart notebook, as a reader runs it: nothing fails, and what it shows is live."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, expect

from tests.helpers.polling import eventually
from tests.ui.lab import Lab

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "00_quickstart.ipynb"
TASKS_MIN = 130
GRAPH, LINEAGE = 1, 8
RUN_S_MAX = 180


@pytest.mark.timeout(300)
def test_the_quickstart_shows_what_it_promises(lab: Lab) -> None:
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    lab.page.on("console", listen)
    lab.open(NOTEBOOK)
    lab.run_all_cells(RUN_S_MAX)

    lineage = lab.graph(LINEAGE)
    expect(lineage).to_contain_text("Lineage of best")
    expect(lineage).to_contain_text("74/74 done")
    graph = lab.graph(GRAPH)
    eventually(lambda: lab.graph_number(GRAPH, "finished") >= TASKS_MIN, "the graph has every task")
    assert lab.graph_number(GRAPH, "failed") == 0
    expect(graph).to_contain_text("play")
    expect(graph).not_to_contain_text("run_cell")  # ours, not the reader's
    expect(lab.status_item).to_contain_text(f"{lab.graph_number(GRAPH, 'finished')} done")
    assert complaints == []
    graph.scroll_into_view_if_needed()
    lab.screenshot("quickstart-graph")
    lineage.scroll_into_view_if_needed()
    lab.screenshot("quickstart-lineage")
