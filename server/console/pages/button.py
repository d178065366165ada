"""The one way the pages make a button: plain, reachable by keyboard, its attributes never parsed from text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

Act = Callable[[], Awaitable[None] | None]


def button(text: str, act: Act | None, *, look: str = "", script: str = "", **attributes: str) -> Any:
    """A button that calls `act` here, or runs `script` in the browser; `data_x` becomes the attribute `data-x`."""
    element = ui.element("button").classes(look)
    element.props["type"] = "button"
    for name, value in attributes.items():
        # Set one by one: a name from a package must not be able to write attributes of its own.
        element.props[name.replace("_", "-")] = value
    with element:
        ui.label(text).props("tag=span")
    if act is not None:
        element.on("click", lambda _: act())
    else:
        element.on("click", js_handler=f"() => {script}")
    return element
