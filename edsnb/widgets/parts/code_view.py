"""Text to be copied: code in a frame, with a button that copies it."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.widgets.parts.icons import COPY

_COPY = """
const said = (text) => { button.data.label = text; setTimeout(() => { button.data.label = before }, 1500) };
const before = button.data.label;
const by_hand = () => {
  // Pages without https may not use the clipboard directly.
  const area = document.createElement("textarea");
  area.value = source.value;
  area.style.position = "fixed";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  said(done ? "Copied" : "Select the text");
};
if (navigator.clipboard) navigator.clipboard.writeText(source.value).then(() => said("Copied"), by_hand);
else by_hand();
"""
_STYLE = (
    "margin:0; padding:10px 12px; border:1px solid rgba(128,128,128,.35); border-radius:6px; font-size:13px;"
    "line-height:1.45; overflow:auto; max-height:{height}px; tab-size:4"
)


def code_block(title: str, code: Any, *, height: int = 420, more: tuple[Any, ...] = ()) -> pn.Column:
    """Return code under a title, with a button to copy it; `code` is a text, a parameter or a bound function."""

    def framed(text: str) -> str:
        style = _STYLE.format(height=height)
        return f'<pre tabindex="0" aria-label="{escape(title)}" style="{style}">{escape(text)}</pre>'

    # Holds the plain text for the browser; it is never drawn.
    source = pn.widgets.TextInput(value=code)
    button = pmui.Button(label="Copy", size="small", variant="outlined", icon=COPY, margin=(2, 4))
    button.js_on_click(args={"source": source, "button": button}, code=_COPY)
    head = pn.Row(
        pn.widgets.StaticText(value=f"<b>{escape(title)}</b>", margin=(10, 8, 0, 4)), button, *more,
        sizing_mode="stretch_width",
    )  # fmt: skip
    text = pn.widgets.StaticText(value=pn.bind(framed, source.param.value), sizing_mode="stretch_width", margin=(2, 4))
    return pn.Column(head, text, sizing_mode="stretch_width")
