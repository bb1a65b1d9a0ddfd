"""Templates to text: everything is escaped, a missing value is an error, filters write the numbers."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from mindle.evaluation.report import formatting
from mindle.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

# What no document may hold: control characters, and the lone surrogates of undecodable file names.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_CODE = re.compile("`([^`]+)`")
# Functions of `formatting` that templates call by name.
_FILTERS = (
    "amount bar_style capitalised cell cell_text column_cell count percent position setting score_in"
).split()


@cache
def _environment() -> Environment:
    """The templates beside this module."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "coded": coded,
        "jpeg": jpeg_source,
        **{name: getattr(formatting, name) for name in _FILTERS},
    }
    made.globals["version"] = __version__
    return made


def coded(text: str) -> Markup:
    """A sentence in which what stands between backticks is an element `code`.

    Example:
        >>> coded("Give `--decisions FILE` & train.")
        Markup('Give <code>--decisions FILE</code> &amp; train.')
    """
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def jpeg_source(picture: bytes) -> str:
    """A JPEG as the source of an image, inside the page."""
    return "data:image/jpeg;base64," + b64encode(picture).decode("ascii")


def render(template: str, **values: Any) -> Markup:
    """A template with its values; what no document may hold is replaced."""
    made = _environment().get_template(template).render(**values)
    return Markup(_FORBIDDEN.sub("\ufffd", made))
