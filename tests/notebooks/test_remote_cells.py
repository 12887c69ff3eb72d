"""Remote cells in real kernels on a real session."""

from __future__ import annotations

import pytest

from tests.notebooks.conftest import LiveKernel, Output, RunNotebook, texts

pytestmark = pytest.mark.timeout(180)


def kinds(outputs: list[Output]) -> list[str]:
    return [output.kind for output in outputs]


def test_everything_of_a_remote_cell_is_recorded_at_that_cell(run_notebook: RunNotebook) -> None:
    first, wait, after = run_notebook(
        "%%remote\nimport time\nprint('begins <b>')\ntime.sleep(0.4)\nx = 41\nprint('ends')\n{'x': x}",
        "import cellray\ncellray.get(x) + 1",
        "x",
    )
    assert kinds(first) == ["display_data", "display_data"]
    assert first[0].text.startswith("In [2] done in ")
    assert first[0].text.endswith("\nbegins <b>\nends")
    assert "begins &lt;b&gt;" in first[0].html
    assert first[1].text == "{'x': 41}"
    assert wait == [Output("execute_result", "42", "")]
    assert after[0].text.startswith("ObjectRef(")


def test_cells_chain_by_their_futures_and_take_what_they_need(run_notebook: RunNotebook) -> None:
    _, _, second, result, modules = run_notebook(
        "import numpy as np\nimport cellray\narray = np.arange(10)\ndef double(a): return 2 * a",
        "%%remote\nimport colorsys\ntotal = double(array).sum()",
        "%%remote\ntotal = total + 1\nother = [total]",
        "cellray.get(total), cellray.get(other)",
        "colorsys.__name__",
    )
    assert kinds(second) == ["display_data"]
    assert result[0].text == "(np.int64(91), [np.int64(91)])"
    assert modules[0].text == "'colorsys'"


def test_a_rich_value_is_rich(run_notebook: RunNotebook) -> None:
    shown, _ = run_notebook("%%remote --wait\nfrom IPython.display import HTML\nHTML('<i>rich</i>')", "1")
    assert shown[1].html == "<i>rich</i>"


def test_what_is_wrong_is_said_before_anything_is_submitted(run_notebook: RunNotebook) -> None:
    name, syntax, magic, option, loop, session = run_notebook(
        "%%remote\n\nx = undefined_name",
        "%%remote\nx = = 1",
        "%%remote\n\n%time 1",
        "%%remote --nmu-cpus 2\n1",
        "%%remote --for x in nothing\nx",
        "import cellray\ncellray.is_initialized()",
    )
    assert name[0].text.startswith("NameError: Cell In[2], line 3: name 'undefined_name' is not defined")
    assert "Cell In[3]:2\n    x = = 1" in syntax[0].text
    assert "Cell In[4]:3" in magic[0].text
    assert "'%time 1' is a command of the notebook" in magic[0].text
    assert "Traceback" not in syntax[0].text + magic[0].text
    assert "Did you mean --num-cpus?" in option[0].text
    assert "name 'nothing' is not defined" in loop[0].text
    assert session[0].text == "False"


def test_errors_show_the_users_lines_and_nothing_of_the_runtime(run_notebook: RunNotebook) -> None:
    _, waited, late, got, caught, plain = run_notebook(
        "import cellray\ndef divide(a):\n    return 1 / a",
        "%%remote --wait\n\ndivide(0)",
        "%%remote\ny = divide(0)",
        "cellray.get(y)",
        "try:\n    cellray.get(y)\nexcept ZeroDivisionError as error:\n    print('caught')",
        "cellray.get(cellray.remote(divide).remote(0))",
    )
    assert kinds(waited) == ["display_data", "error"]
    assert waited[0].text.startswith("In [3] failed after ")
    assert "Cell In[3], line 3\n" in waited[1].text
    assert "Cell In[2], line 3, in divide\n" in waited[1].text
    assert "------> 3     return 1 / a" in waited[1].text
    assert waited[1].text.endswith("ZeroDivisionError: division by zero")
    assert "Cell In[4], line 2" in late[0].text
    assert "Cell In[5], line 1: cellray.get(y)" in got[0].text
    assert caught[0].text == "caught\n"
    assert "Cell In[2], line 3, in divide" in plain[0].text
    shown = "".join(output.text for outputs in (waited, late, got, plain) for output in outputs)
    for ours in ("remote_cell.py", "native.py", "verbs.py", "execute.py"):
        assert ours not in shown


def test_a_name_that_cannot_come_back_fails_alone(run_notebook: RunNotebook) -> None:
    cell, good, lock, never = run_notebook(
        "%%remote --wait\nimport threading\nlock = threading.Lock()\nif lock.locked(): never = 1\ngood = 1\nlock",
        "import cellray\ncellray.get(good)",
        "cellray.get(lock)",
        "cellray.get(never)",
    )
    assert "done in" in cell[0].text
    assert cell[1].text.startswith("<unlocked _thread.lock")
    assert good[0].text == "1"
    assert "SerializationError: lock cannot be sent" in lock[0].text
    assert "Cell In[2] ended without assigning 'never'" in never[0].text
    assert "deserialize" not in never[0].text


def test_a_fan_out_gives_lists_in_order(run_notebook: RunNotebook) -> None:
    fan, values, futures = run_notebook(
        "%%remote --for i, c in enumerate('abcd') if c != 'b' --into pairs\nsquare = i * i\nprint(c)\n(i, c)",
        "pairs",
        "import cellray\ncellray.get(square)",
    )
    assert fan[0].text.startswith("In [2] 3 tasks done in ")
    assert {"i=0, c='a' | a", "i=2, c='c' | c", "i=3, c='d' | d"} <= set(fan[0].text.split("\n"))
    assert fan[1].text == "[(0, 'a'), (2, 'c'), (3, 'd')]"
    assert values[0].text == "[(0, 'a'), (2, 'c'), (3, 'd')]"
    assert futures[0].text == "[0, 4, 9]"


def test_one_failing_element_is_named_and_the_others_go_on(run_notebook: RunNotebook) -> None:
    fan, rest = run_notebook(
        "%%remote --for seed in range(20)\nif seed == 17:\n    raise ValueError('bad seed')\nresult = seed",
        "import cellray\nsum(cellray.get(ref) for i, ref in enumerate(result) if i != 17)",
    )
    assert fan[0].text.startswith("In [2] 19/20 done, 1 failed in ")
    assert "This is seed=17. 1 of 20 tasks failed." in fan[-1].text
    assert "ValueError: bad seed" in fan[-1].text
    assert rest[0].text == str(sum(range(20)) - 17)


def test_interrupting_an_ordinary_cell_cancels_the_tasks_it_submitted(kernel: LiveKernel) -> None:
    kernel.run("import cellray, time\nslow = cellray.remote(time.sleep)\nearlier = slow.remote(0.2)")
    request = kernel.execute("refs = [slow.remote(60) for _ in range(3)]\nprint('submitted')\ncellray.get(refs)")
    kernel.messages(request, until=lambda message: "submitted" in "".join(texts([message], "stream")))
    kernel.interrupt()
    shown = kernel.finish(request)
    assert any("3 tasks of this cell cancelled" in text for text in texts(shown, "stream"))
    after = kernel.run(
        "kinds = []\n"
        "for ref in refs:\n"
        "    try: cellray.get(ref, timeout=20)\n"
        "    except cellray.exceptions.TaskCancelledError: kinds.append('cancelled')\n"
        "kinds, cellray.get(earlier)"
    )
    assert texts(after, "execute_result") == ["(['cancelled', 'cancelled', 'cancelled'], None)"]


def test_interrupting_a_fan_out_cancels_it_and_the_session_goes_on(kernel: LiveKernel) -> None:
    request = kernel.execute(
        "%%remote --for i in range(8)\nimport time\nprint('on')\nfor _ in range(600): time.sleep(0.1)"
    )
    kernel.messages(request, until=lambda message: "| on" in "".join(texts([message])))
    kernel.interrupt()
    shown = kernel.finish(request)
    assert texts(shown, "error") == ["In [2] interrupted: 8 tasks cancelled."]
    assert "0/8 done, 8 cancelled in " in texts(shown, "update_display_data")[-1]
    assert texts(kernel.run("cellray.get(cellray.remote(lambda: 7).remote(), timeout=30)"), "execute_result") == ["7"]


def test_running_a_cell_again_replaces_what_it_started(kernel: LiveKernel) -> None:
    kernel.run("%%remote\nimport time\nfor _ in range(600): time.sleep(0.1)\nx = 1", cell_id="cell")
    shown = texts(kernel.run("%%remote --wait\nx = 2", cell_id="cell"))
    assert any("cancelled after" in text and "superseded by In [3]" in text for text in shown)
    assert any("In [3] done" in text and "replaces the run of In [2] (1 cancelled)" in text for text in shown)
    assert texts(kernel.run("cellray.get(x)"), "execute_result") == ["2"]


def test_an_ordinary_cells_late_prints_come_to_it(kernel: LiveKernel) -> None:
    request = kernel.execute(
        "@cellray.remote\ndef late(ref):\n    print('late')\nimport time\n"
        "@cellray.remote\ndef slow(): time.sleep(0.5)\nz = late.remote(slow.remote())",
        cell_id="first",
    )
    kernel.finish(request)
    other = kernel.execute("cellray.get(z)\ntime.sleep(0.5)", cell_id="second")
    shown = [message for message in kernel.finish(other) if message["msg_type"] == "display_data"]
    assert [(message["parent_header"]["msg_id"], texts([message])) for message in shown] == [(request, ["late"])]


def test_the_extension_can_be_loaded_twice_and_unloaded(run_notebook: RunNotebook) -> None:
    again, works, unloaded, gone = run_notebook(
        "%reload_ext cellray", "%%remote --wait\n1 + 1", "%unload_ext cellray", "%%remote\n1"
    )
    assert again == []
    assert works[1].text == "2"
    assert unloaded == []
    assert "not found" in gone[0].text


def test_the_session_is_described(run_notebook: RunNotebook) -> None:
    before, _, after, wrong = run_notebook("%cellray", "%%remote --wait\n1", "%cellray", "%cellray dance")
    assert "the first %%remote" in before[0].text
    assert "2 CPU" in after[0].text
    assert "remote cells  none running" in after[0].text
    assert "%cellray cancel" in wrong[0].text


def test_the_graph_and_the_lineage_are_shown(run_notebook: RunNotebook) -> None:
    _, graph, lineage, wrong, wrong_kind = run_notebook(
        "%%remote --wait\ny = 1", "%graph", "%lineage y", "%lineage", "%lineage 3"
    )
    assert kinds(graph) == ["display_data"]
    assert "Task graph" in graph[0].text
    assert kinds(lineage) == ["display_data"]
    assert "%lineage wants a reference" in wrong[0].text
    assert "int names no task or object" in wrong_kind[0].text


def test_why_is_answered_in_place(run_notebook: RunNotebook) -> None:
    _, answer, wrong = run_notebook("%%remote --wait\ny = 1", "%why y", "%why")
    assert kinds(answer) == ["display_data"]
    assert "finished" in answer[0].text
    assert "<svg" in answer[0].html
    assert "%why wants a reference" in wrong[0].text


def test_tasks_are_replayed_and_run_again_with_an_edited_function(run_notebook: RunNotebook) -> None:
    outputs = run_notebook(
        "import cellray\n@cellray.remote\ndef half(x): return x / 2\n@cellray.remote\ndef add(a, b): return a + b",
        "ref = add.remote(half.remote(6), 4)\ncellray.get(ref)",
        "%replay ref",
        "@cellray.remote\ndef half(x): return x * 100",
        "%rerun --dry-run -f half ref",
        "better = %rerun -f half ref\ncellray.get([ref, better])",
        "%replay",
        "%replay 7",
        "bad = add.remote(1, None)\ncellray.wait([bad])",
        "%replay bad",
        "%replay --pdb bad",
        "def half_of(x): return x / 2",
        "%%remote --for n in [1, 2, 'x']\nz = half_of(n)",
        "%replay z[2]",
        "def half_of(x): return x * 5",
        "new = %rerun -f half_of z[1]\ncellray.get(new)",
    )
    assert outputs[2][0].text == "7.0"
    assert "2 tasks would run" in outputs[4][0].text
    assert "<table>" in outputs[4][0].html
    assert outputs[5][0].text == "[7.0, 604]"
    assert "which task" in outputs[6][0].text
    assert "int names no task" in outputs[7][0].text
    assert "TypeError" in outputs[9][0].text
    assert "def add(a, b): return a + b" in outputs[9][0].text
    assert "there is nobody to debug" in outputs[10][-1].text
    assert "def half_of(x): return x / 2" in outputs[13][-1].text
    assert "run_cell" not in outputs[13][-1].text, "what runs a cell is ours"
    assert outputs[15][0].text == "10"
