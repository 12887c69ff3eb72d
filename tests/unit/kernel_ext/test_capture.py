"""What a cell reads, binds and shows, read from its source."""

from __future__ import annotations

import pytest
from cellray_kernel.capture import CellRefusedError, analyse

CASES = [
    # source, surely needed, perhaps needed, assigned, shows a value
    ("", "", "", "", False),
    ("y = [step(x) for x in xs]\nlen(y)", "step xs len", "", "y", True),
    ("x += 1", "x", "", "x", False),
    ("x = 1\nx += 1\nx;", "", "", "x", False),
    ("x  # the value; really", "x", "", "", True),
    ("x = x + 1", "x", "", "x", False),
    ("a.b = c[d]", "a c d", "", "", False),
    ("a[i] += 1", "a i", "", "", False),
    ("for i in r:\n    t = i\nprint(t, i)", "r print", "t i", "i t", True),
    ("for a, (b, *c) in zs: pass\nelse: d = 1", "zs", "", "a b c d", False),
    ("while f(): x = 1", "f", "", "x", False),
    ("if a:\n    x = 1\nelse:\n    x = 2\nx", "a", "", "x", True),
    ("if a: x = 1\nx", "a", "x", "x", True),
    ("if a: x = 1\nelse: raise E\nx", "a E", "", "x", True),
    ("with open(p) as fh, k: d = fh.read()", "open p k", "", "fh d", False),
    ("try:\n    import q\nexcept ImportError as e:\n    q = e", "ImportError", "", "q", False),
    ("try: x = f()\nfinally: y = 2\n(x, y)", "f", "", "x y", True),
    ("try: f()\nexcept* E as e: g(e)", "f E g", "", "", False),
    ("def f(a=b, *, c: T = d) -> R: return a + e", "b d T R e", "", "f", False),
    ("def f(): return g(h)\ndef g(z): return z\nf();", "h", "", "f g", False),
    ("def f(): return f()", "", "", "f", False),
    ("@deco(1)\nclass A(B, metaclass=M):\n    x = y\n    def m(self): return A, w", "deco B M y w", "", "A", False),
    ("class A:\n    x = x", "", "x", "A", False),
    ("class A:\n    x = 1\n    y = [x for _ in z]", "x z", "", "A", False),
    ("def f():\n    global c\n    c += 1", "", "c", "f c", False),
    ("def f():\n    n = 1\n    def g():\n        nonlocal n\n        n += k\n    return g", "k", "", "f", False),
    ("[y := i for i in xs]", "xs", "", "y", True),
    ("(y := f(1)) + y", "f", "y", "y", True),
    ("if m := f():\n    m\nm", "f", "", "m", True),
    ("{k: v for k, v in d.items() if k not in seen}", "d seen", "", "", True),
    ("sorted(xs, key=lambda x: x + off)", "sorted xs off", "", "", True),
    ("f'{a!r:>{width}}'", "a width", "", "", True),
    ("f'{x[\"a\"]}\\n'", "x", "", "", True),
    ("match v:\n    case {'a': [1, *rest], **kw} if z: out = rest\n    case P(x=q) | mod.C(q): pass", "v z P mod",
     "", "kw rest out q", False),
    ("import numpy as np, os.path\nnp.zeros(3)", "", "", "np os", True),
    ("from math import pi, e as euler", "", "", "pi euler", False),
    ("x: int\ny: float = 2", "int float", "", "y", False),
    ("x = 1\ndel x", "", "", "", False),
    ("del x", "x", "", "", False),
    ("_t = 1\n__u = _t\nz = _v", "_v", "", "z", False),
    ("async def f():\n    await q()\nimport asyncio\nasyncio.run(f())", "q", "", "f asyncio", True),
    ("y = x\nx = 2", "x", "", "y x", False),
    ("assert a, b", "a b", "", "", False),
]  # fmt: skip


@pytest.mark.parametrize(("source", "needed", "maybe", "assigned", "has_value"), CASES)
def test_names(source: str, needed: str, maybe: str, assigned: str, has_value: bool) -> None:
    found = analyse(source)
    assert set(found.needed) == set(needed.split())
    assert set(found.maybe_needed) == set(maybe.split())
    assert set(found.assigned) == set(assigned.split())
    assert found.has_value is has_value


def test_results_keep_their_order_and_lines_begin_at_one() -> None:
    found = analyse("b = 1\na = b\n\nc = late(a)\nlate")
    assert found.assigned == ("b", "a", "c")
    assert found.needed == {"late": 4}


def test_a_name_that_only_ever_is_a_module_can_be_imported() -> None:
    assert analyse("import a.b as c\nimport d.e").module_imports == {"c": "a.b", "d": "d"}
    assert analyse("try:\n    import q\nexcept ImportError:\n    q = None").module_imports == {}
    assert analyse("import a.x as m\nimport a.y as m").module_imports == {}


REFUSED = [
    ("x = 1\n%time y", 3, "'%time y' is a command of the notebook"),
    ("\n\nif x:\n    !ls", 5, "'!ls' is a command"),
    ("a = !ls", 2, "'a = !ls' is a command"),
    ("x?", 2, "'x?' is a command"),
    ("x = 1\nawait f()", 3, "asyncio.run"),
    ("async with f(): pass", 2, "asyncio.run"),
    ("[x async for x in y]", 2, "asyncio.run"),
    ("from os import *", 2, "import them by name"),
]


@pytest.mark.parametrize(("source", "line", "message"), REFUSED)
def test_what_cannot_run_remotely_is_refused_at_its_line(source: str, line: int, message: str) -> None:
    with pytest.raises(CellRefusedError, match=message.replace("?", r"\?")) as caught:
        analyse(source, "Cell In[5]", first_line=2)
    assert caught.value.lineno == line
    assert caught.value.filename == "Cell In[5]"


@pytest.mark.parametrize(("source", "line"), [("x = = 2", 2), ("\nreturn 3", 3), ("f(\n  1", 2), ("if x:\ny", 3)])
def test_syntax_errors_carry_the_line_that_the_user_sees(source: str, line: int) -> None:
    with pytest.raises(SyntaxError) as caught:
        analyse(source, "Cell In[5]", first_line=2)
    assert caught.value.lineno == line
    assert not isinstance(caught.value, CellRefusedError)
