"""What tasks and actors print, in whatever way, at the driver's streams."""

from __future__ import annotations

import re

import pytest

from tests.helpers.scripts import run_script, running_script

INIT = (
    "import cellray, ctypes, glob, logging, os, subprocess, sys, threading, time, warnings\ncellray.init(num_cpus=2)\n"
)


def output_of(code: str, **environment: str) -> tuple[list[str], list[str]]:
    """Lines on stdout and stderr of a driver that runs it, process ids as `P`."""
    ended = run_script(INIT + code, environment=environment)
    assert ended.returncode == 0, ended
    streams = [re.sub(r"pid=\d+", "pid=P", text).splitlines() for text in (ended.stdout, ended.stderr)]
    return streams[0], streams[1]


def test_each_line_says_whose_it_is() -> None:
    out, err = output_of("""
@cellray.remote
def task():
    print("one\\ntwo")
    print("three", end="")
    print("oh", file=sys.stderr)
    sys.stdout.write("!")

@cellray.remote
class Counter:
    def add(self):
        print("added")

cellray.get(task.remote())
cellray.get(task.options(name="other").remote())
cellray.get(Counter.remote().add.remote())
""")
    assert out == [f"({name} pid=P) {text}" for name in ("task", "other") for text in ("one", "two", "three!")] + [
        "(Counter.add pid=P) added"
    ]
    assert err == ["(task pid=P) oh", "(other pid=P) oh"]


def test_what_is_written_past_python() -> None:
    out, err = output_of("""
@cellray.remote
def task():
    subprocess.run(["sh", "-c", "echo from a child; printf unfinished"])
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
    os.write(2, b"raw\\n")

cellray.get(task.remote())
""")
    assert out == [f"(task pid=P) {text}" for text in ("from a child", "unfinishedfrom C")]
    assert err == ["(task pid=P) raw"]


def test_a_long_task_is_heard_while_it_runs(tmp_path: object) -> None:
    code = (
        INIT
        + f"""
@cellray.remote
def task():
    subprocess.run(["echo", "begun"])
    print("in python")
    while not os.path.exists("{tmp_path}/go"):
        time.sleep(0.01)

ref = task.remote()
cellray.get(ref)
print("done")
"""
    )
    with running_script(code) as script:
        seen = {script.expect("(task pid=").partition(") ")[2] for _ in range(2)}
        assert seen == {"begun", "in python"}
        open(f"{tmp_path}/go", "w").close()
        script.expect("done")
        assert script.wait() == 0


def test_logging_and_warnings() -> None:
    out, err = output_of("""
@cellray.remote
def task():
    logging.getLogger("a.b").error("bad")
    logging.warning("careful")
    logging.info("too little to be shown")
    warnings.warn("old")

@cellray.remote
def configured():
    logging.basicConfig(level=logging.INFO, format="<%(levelname)s> %(message)s", force=True)
    logging.info("shown")

cellray.get(task.remote())
cellray.get(configured.remote())
""")
    assert out == []
    assert err[:2] == ["(task pid=P) ERROR a.b: bad", "(task pid=P) WARNING:root:careful"]
    assert "UserWarning: old" in err[2]
    assert err[-1] == "(configured pid=P) <INFO> shown"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("os._exit(3)", []),
        ("os.kill(os.getpid(), 9)", []),
        ("ctypes.string_at(0)", ["Fatal Python error: Segmentation fault"]),
    ],
)
def test_what_was_printed_before_a_crash(end: str, told: list[str]) -> None:
    out, err = output_of(f"""
@cellray.remote(max_retries=0)
def task():
    print("before")
    print("half a line", end="")
    print("oh", file=sys.stderr)
    {end}

try:
    cellray.get(task.remote())
except cellray.exceptions.WorkerCrashedError:
    print("crashed")
""")
    assert out == ["(task pid=P) before", "(task pid=P) half a line", "crashed"]
    assert err[: 1 + len(told)] == [f"(task pid=P) {text}" for text in ("oh", *told)]


def test_threads_of_a_task_and_of_an_actor_that_runs_several_calls() -> None:
    out, _ = output_of("""
@cellray.remote
def task():
    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()

@cellray.remote
class Several:
    async def say(self, word):
        print(word)

@cellray.remote(max_concurrency=2)
class Threads:
    def say(self, word):
        print(word)

cellray.get(task.remote())
several, threads = Several.remote(), Threads.remote()
cellray.get([several.say.options(name=f"call-{i}").remote(f"word-{i}") for i in range(3)])
cellray.get([threads.say.options(name=f"call-{i}").remote(f"word-{i}") for i in range(3, 6)])
""")
    assert out[0] == "(task pid=P) from a thread"
    assert sorted(out[1:]) == [f"(call-{i} pid=P) word-{i}" for i in range(6)]


def test_a_flood_is_cut_counted_and_kept() -> None:
    out, _ = output_of(
        """
@cellray.remote
def task():
    for i in range(300):
        print(i, "x" * 1000)

session = cellray.current_session()
cellray.get(task.remote())
left = [open(path).read() for path in glob.glob(session.address + "/logs/worker-*.log")]
print("kept", sum(text.count("x" * 1000) for text in left))
""",
        CELLRAY_OUTPUT_BYTES_MAX_PER_S="100000",
    )
    shown = sum("x" * 1000 in line for line in out)
    dropped = sum(int(found[1]) for line in out if (found := re.search(r"\.\.\. (\d+) bytes", line)))
    kept = int(out[-1].split()[1]) if out[-1].startswith("kept") else 0
    assert 0 < shown < 300
    assert shown + kept == 300, out[-3:]
    shown_bytes = sum(len(line.partition(") ")[2]) + 1 for line in out if "x" * 1000 in line)
    assert dropped + shown_bytes == sum(len(f"{i} ") + 1001 for i in range(300))


def test_lines_that_many_print_are_counted() -> None:
    code = """
@cellray.remote
def task(i):
    print("step", i)
    time.sleep(0.01)

cellray.get([task.remote(i) for i in range(100)])
"""
    out, _ = output_of(code)
    assert 20 <= len(out) < 60
    (told,) = [line for line in out if "repeated" in line]
    assert re.fullmatch(r"\(task pid=P\) step \d+ \[repeated \d+x across cluster\]", told)
    assert len(out) - 1 + int(told.split("repeated ")[1].split("x")[0]) == 100
    assert len(output_of(code, CELLRAY_DEDUP_LOGS="0")[0]) == 100


def test_each_driver_hears_its_own_tasks_and_none_when_it_wants_none() -> None:
    out, _ = output_of("""
code = '''
import cellray
cellray.init(address="auto", log_to_driver=%s)
@cellray.remote
def task():
    print("theirs")
cellray.get(task.remote())
'''
for wants in (True, False):
    ended = subprocess.run([sys.executable, "-c", code % wants], capture_output=True, text=True)
    print(wants, "theirs" in ended.stdout, ended.stderr)
""")
    assert out == ["True True ", "False False "]
