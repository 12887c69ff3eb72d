"""Owns the writing of SVG elements: escaping, labels that fit, inks for light and dark.

Colours are written as attributes for the light theme, which every renderer and printer knows; a style sheet
in the picture overrides them where the reader prefers dark. Nothing outside the picture is referred to.
"""

from __future__ import annotations

from html import escape

from cellray.observe.messages import EdgeKind, TaskStateName
from cellray.observe.visual import Theme, function_colour, function_index, state_style, tokens

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
# Mean width of a letter, in shares of the font's size. Wide fonts need this much; narrow ones cut early.
_LETTER_WIDTH = 0.58


class Pen:
    """Collects elements, and the inks that they use."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._inks: dict[str, tuple[str, str]] = {}

    def add(self, name: str, text: str | None = None, **attributes: str | float | None) -> None:
        """One element; `fill` and `stroke` name inks, other attributes are written as they are."""
        written: list[str] = []
        classes: list[str] = []
        for key, value in attributes.items():
            if value is None:
                continue
            if key in ("fill", "stroke") and value != "none":
                ink = str(value)
                written.append(f'{key}="{self._colours(ink)[0]}"')
                classes.append(f"cr-{key[0]}-{_class(ink)}")
            else:
                shown = f"{round(value, 2):g}" if isinstance(value, int | float) else escape(value)
                written.append(f'{key.replace("_", "-")}="{shown}"')
        if classes:
            written.append(f'class="{" ".join(classes)}"')
        inner = f">{escape(text)}</{name}>" if text is not None else "/>"
        self.parts.append(f"<{' '.join([name, *written])}{inner}")

    def raw(self, markup: str) -> None:
        """Opens or closes an element that holds others."""
        self.parts.append(markup)

    def label(self, text: str, x: float, y: float, size: float, ink: str, **attributes: str | float | None) -> None:
        """A line of text whose middle is at height `y`."""
        # Not every renderer knows dominant-baseline: the baseline is put where the middle would be.
        self.add("text", text, x=x, y=y + size * 0.35, font_size=size, fill=ink, **attributes)

    def mark(self, state: TaskStateName, x: float, y: float, size: float, attempt: int, behind: str) -> None:
        """A state's mark, centred at (x, y)."""
        style = state_style(state)
        self.raw(f'<g transform="translate({x - size / 2:.1f} {y - size / 2:.1f}) scale({size / 16:.4g})">')
        for part in style.mark:
            ink = behind if part.ink == "paper" else state
            if part.paint == "fill":
                self.add("path", d=part.d, fill=ink)
            else:
                dash = " ".join(f"{length:g}" for length in part.dash) or None
                cap = None if part.dash else "round"
                self.add(
                    "path", d=part.d, fill="none", stroke=ink, stroke_width=part.width, stroke_dasharray=dash,
                    stroke_linecap=cap,
                )  # fmt: skip
        if style.mark_text == "attempt":
            shown = str(attempt + 1) if attempt < 9 else "+"
            self.label(shown, 8, 8, 9.5, state, text_anchor="middle", font_weight="bold")
        self.raw("</g>")

    def edge(self, path: str, kind: EdgeKind) -> None:
        """A line in the look of its kind."""
        style = tokens().edges[kind]
        dash = " ".join(f"{length:g}" for length in style.dash) or None
        cap = "round" if kind == "stateful" else None
        self.add(
            "path", d=path, fill="none", stroke="edge", stroke_width=style.width, stroke_dasharray=dash,
            stroke_linecap=cap,
        )  # fmt: skip

    def style_sheet(self) -> str:
        """The dark variants of all inks that were used."""
        rules = "".join(
            f".cr-f-{_class(ink)}{{fill:{dark}}}.cr-s-{_class(ink)}{{stroke:{dark}}}"
            for ink, (_, dark) in sorted(self._inks.items())
        )
        return f"<style>@media screen and (prefers-color-scheme: dark){{{rules}}}</style>"

    def _colours(self, ink: str) -> tuple[str, str]:
        if ink not in self._inks:
            self._inks[ink] = (_colour(ink, "light"), _colour(ink, "dark"))
        return self._inks[ink]


def fitting(text: str, width: float, size: float) -> str:
    """The text, shortened at its end to the letters that `width` holds."""
    letters = int(width / (size * _LETTER_WIDTH))
    return text if len(text) <= letters else text[: max(1, letters - 1)] + "…"


def fitting_name(name: str, width: float, size: float) -> str:
    """Like `fitting`; of `seed=17`, when there is no room for it, what tells it from the others."""
    value = name.partition("=")[2]
    return fitting(value if text_width(name, size) > width and value and "=" not in value else name, width, size)


def text_width(text: str, size: float) -> float:
    """What a text takes up, on the safe side."""
    return len(text) * size * _LETTER_WIDTH


def hue_ink(function: str) -> str:
    """The ink of a function's hue."""
    return f"hue:{function}"


def tint_ink(state: TaskStateName) -> str:
    """The ink inside the box of a task in this state."""
    return f"tint:{state}" if state_style(state).tint > 0 else "paper"


def _colour(ink: str, theme: Theme) -> str:
    kind, _, name = ink.partition(":")
    table = tokens()
    neutral = table.theme.light if theme == "light" else table.theme.dark
    if kind == "hue":
        return function_colour(name, theme)
    if kind == "tint":
        style = next(style for state, style in table.task_states.items() if state == name)
        return _mixed(style.light if theme == "light" else style.dark, neutral.paper, style.tint)
    for state, style in table.task_states.items():
        if state == ink:
            return style.light if theme == "light" else style.dark
    return str(getattr(neutral, ink))


def _mixed(over: str, under: str, share: float) -> str:
    pairs = zip(bytes.fromhex(over[1:]), bytes.fromhex(under[1:]), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02X}" for a, b in pairs)


def _class(ink: str) -> str:
    kind, _, name = ink.partition(":")
    return f"hue{function_index(name)}" if kind == "hue" else ink.replace(":", "-").replace("_", "-")
