"""Text to be copied: code in a frame, with a button that copies it."""

from __future__ import annotations

from html import escape
from typing import Any, ClassVar

import panel as pn
import param
from panel.custom import JSComponent

from edsnb.widgets.scripts import script

_STYLE = (
    "margin:0; padding:10px 12px; border:1px solid rgba(128,128,128,.35); border-radius:6px; font-size:13px;"
    "line-height:1.45; overflow:auto; max-height:{height}px; tab-size:4"
)


class CopyButton(JSComponent):
    """Puts a text into the clipboard.

    Not a button with a callback of Panel's in the browser: where a page has one of these, Panel looks through all of it
    at each change.
    """

    text = param.String(default="", allow_refs=True)

    _esm = script("copy.js")
    _stylesheets: ClassVar[list[str]] = [script("button.css")]

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"margin": (4, 4), **params})


def code_block(title: str, code: Any, *, height: int = 420, more: tuple[Any, ...] = ()) -> pn.Column:
    """Return code under a title, with a button to copy it; `code` is a text, a parameter or a bound function."""

    def framed(text: str) -> str:
        style = _STYLE.format(height=height)
        return f'<pre tabindex="0" aria-label="{escape(title)}" style="{style}">{escape(text)}</pre>'

    copied = CopyButton(text=code)
    head = pn.Row(
        pn.widgets.StaticText(value=f"<b>{escape(title)}</b>", margin=(10, 8, 0, 4)), copied, *more,
        sizing_mode="stretch_width",
    )  # fmt: skip
    text = pn.widgets.StaticText(value=pn.bind(framed, copied.param.text), sizing_mode="stretch_width", margin=(2, 4))
    return pn.Column(head, text, sizing_mode="stretch_width")
