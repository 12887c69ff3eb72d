"""What tasks printed, bounded and escaped."""

from __future__ import annotations

from cellray_kernel.captured_text import HEAD_CHARS_MAX, LIVE_LINES_MAX, TAIL_CHARS_MAX, CapturedText


def test_little_is_kept_as_it_was() -> None:
    text = CapturedText()
    assert not text
    assert text.to_html() == ""
    text.add("stdout", "one\n")
    text.add("stdout", "two")
    text.add("stdout", " more\n")
    assert text.to_text() == "one\ntwo more\n"
    assert not text.floods


def test_html_is_escaped_and_errors_are_set_apart() -> None:
    text = CapturedText()
    text.add("stdout", "<script>alert(1)</script>\n")
    text.add("stderr", "\x1b[31mred & dead\x1b[0m\n")
    html = text.to_html()
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert ">red &amp; dead\n</span>" in html
    assert "\x1b" not in html


def test_a_line_that_is_drawn_again_and_again_takes_one_line() -> None:
    text = CapturedText()
    for percent in range(101):
        text.add("stderr", f"\r{percent}%")
    text.add("stderr", "\nwindows\r\nend\n")
    assert text.to_text() == "100%\nwindows\r\nend\n"


def test_a_flood_keeps_head_and_tail_and_counts_the_rest() -> None:
    text = CapturedText()
    for number in range(50_000):
        text.add("stdout", f"line {number}\n")
    whole = text.to_text()
    assert whole.startswith("line 0\nline 1\n")
    assert whole.endswith("line 49999\n")
    assert "lines left out here" in whole
    assert len(whole) < HEAD_CHARS_MAX + TAIL_CHARS_MAX + 4_000
    assert text.to_html().startswith("<details>")
    assert len(text.to_text(live=True).split("\n")) == LIVE_LINES_MAX + 1


def test_kept_and_omitted_lines_add_up() -> None:
    text = CapturedText()
    for number in range(20_000):
        text.add("stdout" if number % 2 else "stderr", f"line {number}\n")
    kept = text.to_text().count("line ")
    assert f"{(20_000 - kept) / 1000:.1f}k lines left out" in text.to_text()


def test_one_endless_line_is_bounded_too() -> None:
    text = CapturedText()
    for _ in range(100):
        text.add("stdout", "x" * 10_000)
    assert len(text.to_text()) < 30_000


def test_bytes_dropped_on_the_way_are_said() -> None:
    text = CapturedText()
    text.add("stdout", "", dropped_bytes=12_400)
    assert "12.4k bytes" in text.to_text()
