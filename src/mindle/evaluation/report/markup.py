"""HTML and SVG from Python calls; text is escaped unless it is already `Html`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import TypeAlias

# What no document may hold: control characters, and the lone surrogates of undecodable file names.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_VOID = {"br", "col", "hr", "img", "link", "meta"}


class Html(str):
    """Text that is markup already and goes in as it is."""

    __slots__ = ()


Child: TypeAlias = str | Iterable["Child"] | None


def safe(text: str) -> Html:
    """Escape text for both content and attributes.

    Example:
        >>> safe('<b>&"')
        '&lt;b&gt;&amp;&quot;'
    """
    return Html(escape(_FORBIDDEN.sub("\ufffd", text), quote=True))


def join(children: Child) -> Html:
    """One piece of markup out of many; None is left out."""
    if children is None:
        return Html("")
    if isinstance(children, Html):
        return children
    if isinstance(children, str):
        return safe(children)
    return Html("".join(join(child) for child in children))


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """An element. `class_` reads "class", other underscores read as hyphens, None and False leave one out.

    Example:
        >>> tag("p", "1 < 2", class_="note")
        '<p class="note">1 &lt; 2</p>'
    """
    pieces = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        if value is True:
            pieces.append(label)
            continue
        written = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        pieces.append(f'{label}="{safe(written)}"')
    opened = "<" + " ".join(pieces) + ">"
    return Html(opened if name in _VOID else f"{opened}{join(children)}</{name}>")


def named(text: str) -> Html:
    """A class name or path inside a sentence or cell, kept from turning its surroundings."""
    return tag("bdi", text)


def table(
    head: Iterable[Child], rows: Iterable[Iterable[Child]], *, class_: str = "", caption: str = ""
) -> Html:
    """A table whose first column heads its rows, in a frame that scrolls where the page is narrow."""
    body = [
        tag("tr", *(tag("td", cell) if at else tag("th", cell, scope="row") for at, cell in enumerate(row)))
        for row in rows
    ]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption, class_="unseen") if caption else None,
            tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head))),
            tag("tbody", *body),
            class_=class_ or None,
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=caption or None,
    )
