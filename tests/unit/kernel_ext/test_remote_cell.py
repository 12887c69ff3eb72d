"""Running a cell the way a worker does."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from cellray.exceptions import SerializationError
from cellray.serialization import deserialize, serialize
from cellray_kernel.capture import analyse
from cellray_kernel.remote_cell import CellCode, run_cell


def cell(source: str, **fields: Any) -> CellCode:
    found = analyse(source)
    return CellCode(f"%%remote\n{source}", 2, "Cell In[5]", found.assigned, found.has_value, **fields)


def received(value: Any) -> Any:
    return deserialize(serialize(value).to_bytes())


def test_a_value_for_each_name_and_the_last_expressions() -> None:
    code = cell("y = x + k\nz = y * r\n(y, z)", values={"x": 1})
    assert run_cell(code, {"k": 2}, ("r",), 10) == (3, 30, (3, 30))
    assert run_cell(cell("1 + 1"), {}, ()) == 2
    assert run_cell(cell("x = 1"), {}, ()) == (1, None)


def test_modules_come_by_name() -> None:
    assert run_cell(cell("math.floor(2.5)", modules={"math": "math"}), {}, ()) == 2


def test_functions_and_classes_of_the_cell_survive_the_way_back() -> None:
    grow, point, _ = run_cell(_shapes(), {}, ())
    assert received(grow)(1) == 3
    assert received(point).n == 3


def _shapes() -> CellCode:
    return cell("def grow(x): return x + _step\nclass P: n = 3\n_step = 2")


def test_what_cannot_come_back_raises_at_its_own_name_only() -> None:
    names = cell("import threading\nx = 1\nlock = threading.Lock()\nif not x: never = 2")
    _, x, lock, never, _ = run_cell(names, {}, ())
    assert received(x) == 1
    with pytest.raises(SerializationError, match=r"lock cannot be sent.*_thread\.lock"):
        received(lock)
    with pytest.raises(NameError, match=r"Cell In\[5\] ended without assigning 'never'"):
        received(never)


def test_tracebacks_show_the_cells_own_lines() -> None:
    with pytest.raises(ValueError, match="bad") as caught:
        run_cell(cell("def f():\n    raise ValueError('bad')\n\nf()"), {}, ())
    text = "".join(traceback.format_exception(caught.value))
    assert 'File "Cell In[5]", line 5, in <module>\n    f()' in text
    assert "line 3, in f\n    raise ValueError('bad')" in text
    assert "exec(" not in text


@pytest.mark.parametrize("file", ["Cell In[4]", "/tmp/ipykernel_4321/1234567890.py"])
def test_what_a_cell_takes_and_gives_back_keeps_the_lines_of_its_cell(file: str) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def divide(x):\n    return x / 0\n", file, "exec"), namespace)
    code = received(cell("def twice():\n    return 2 * divide(1)", values={"divide": namespace["divide"]}))
    twice = received(run_cell(code, {}, ())[0])
    with pytest.raises(ZeroDivisionError) as caught:
        twice()
    frames = traceback.extract_tb(caught.value.__traceback__)[-2:]
    assert [(frame.filename, frame.lineno, frame.name) for frame in frames] == [
        ("Cell In[5]", 3, "twice"),
        (file, 2, "divide"),
    ]
    assert frames[0].line == "return 2 * divide(1)"


def test_an_error_in_the_last_expression_has_its_line_too() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run_cell(cell("x = 0\n1 / x"), {}, ())
    assert traceback.extract_tb(caught.value.__traceback__)[-1].lineno == 3


def test_display_prints_text(capsys: pytest.CaptureFixture[str]) -> None:
    run_cell(cell("display([1, 2], 'three')"), {}, ())
    assert capsys.readouterr().out == "[1, 2]\nthree\n"


def test_the_namespace_is_a_main_module() -> None:
    assert run_cell(cell("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: 'int'\nA(1).x, __name__"),
                    {}, ())[-1] == (1, "__main__")  # fmt: skip
