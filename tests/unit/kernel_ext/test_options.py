"""The line behind %%remote."""

from __future__ import annotations

import pytest
from cellray_kernel.options import Loop, RemoteOptions, parse_options
from IPython.core.error import UsageError

PARSED = [
    ("", RemoteOptions()),
    ("--wait", RemoteOptions(wait=True)),
    ("--for seed in range(64)", RemoteOptions(loop=Loop("seed in range(64)", ("seed",)))),
    ("--for i, x in enumerate(xs) if x --no-wait",
     RemoteOptions(loop=Loop("i, x in enumerate(xs) if x", ("i", "x")), wait=False)),
    ("--into out --for (a, b), *c in zs --fail-fast",
     RemoteOptions(loop=Loop("(a, b), *c in zs", ("a", "b", "c")), into="out", fail_fast=True)),
    ("--for x in [f('--wait', '\\'') for y in (1, 2)]",
     RemoteOptions(loop=Loop("x in [f('--wait', '\\'') for y in (1, 2)]", ("x",)))),
    ("--num-cpus 0.5 --num-gpus=1 --max-retries 0", RemoteOptions(num_cpus=0.5, num_gpus=1, max_retries=0)),
    ("--resources a=1, b=2.5 --name 'my cell'", RemoteOptions(resources={"a": 1, "b": 2.5}, name="my cell")),
]  # fmt: skip


@pytest.mark.parametrize(("line", "options"), PARSED)
def test_parsed(line: str, options: RemoteOptions) -> None:
    assert parse_options(line) == options


REFUSED = [
    ("--nmu-cpus 3", "no option --nmu-cpus. Did you mean --num-cpus"),
    ("--zzz", "no option --zzz.\n%%remote"),
    ("x = 1", "does not take 'x = 1'"),
    ("--wait --no-wait", "exclude each other"),
    ("--wait 3", "takes no value"),
    ("--wait --wait", "given twice"),
    ("--for x", "wants VAR in EXPR"),
    ("--for x in a] + [1", "wants VAR in EXPR"),
    ("--for f() in a", "wants VAR in EXPR"),
    ("--into a.b", "name of a variable"),
    ("--num-cpus many", "wants a number"),
    ("--num-cpus nan", "at least 0"),
    ("--max-retries -2", "at least 0"),
    ("--resources gpu", "name=amount"),
    ("--name a b", "quotes"),
    ("--name 'a", "quotation"),
    ("--num-cpus", "needs a value"),
    ("--fail-fast", "belongs to --for"),
    ("--help", "one task for each element"),
]


@pytest.mark.parametrize(("line", "message"), REFUSED)
def test_refused_with_what_to_do(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_options(line)
    assert message in str(caught.value)


def test_only_fan_outs_wait_by_default() -> None:
    assert parse_options("--for x in y").waits
    assert not parse_options("").waits
    assert not parse_options("--for x in y --no-wait").waits


def test_elements() -> None:
    loop = parse_options("--for i, x in enumerate(xs) if x for y in 'ab'").loop
    assert loop is not None
    assert loop.elements({"xs": [0, 5]}) == [(1, 5, "a"), (1, 5, "b")]
