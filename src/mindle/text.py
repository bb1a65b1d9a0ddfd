r"""Names and texts as they are shown and stored: printable, never run by a spreadsheet, and turned back.

A file's name may hold bytes that are no text, and any name control characters, which a terminal obeys. Both
are written as escapes: `\xe9` for a byte, `\x1b` for a control character, `\u202e` for one beyond ASCII.
"""

from __future__ import annotations

import re

# Control characters, what turns the direction of writing, what ends a line, and halves of letters (bytes that
# are no text come as such).
_HIDDEN = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
_BEYOND_ASCII = re.compile(_HIDDEN.replace("\x00-\x1f", ""))
_ESCAPE = "x[0-9a-f]{2}|u[0-9a-f]{4}"
_UNPRINTABLE = re.compile(_HIDDEN)
_AMBIGUOUS = re.compile(rf"\\+(?={_ESCAPE}|{_HIDDEN})|{_HIDDEN}")
_ESCAPED = re.compile(rf"(\\+)({_ESCAPE})")
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d[\d.,' ]*|[.,]\d+)(e[+-]?\d+)?\s*%?", re.IGNORECASE)


def printable(text: str) -> str:
    r"""A text for a terminal: one line, whatever names are in it.

    Example:
        >>> print(printable("cat" + chr(27) + "[2J" + chr(10)))
        cat\x1b[2J\x0a
    """
    return text if text.isprintable() else _UNPRINTABLE.sub(lambda found: _escape(found[0]), text)


def json_safe(document: str) -> str:
    r"""JSON without characters that a terminal would obey; they become escapes of JSON, which it reads back.

    Example:
        >>> print(json_safe('["' + chr(0x202E) + '"]'))
        ["\u202e"]
    """
    return _BEYOND_ASCII.sub(lambda it: f"\\u{ord(it[0]):04x}", document)


def spelled(name: str) -> str:
    r"""A file's name as it is shown and stored everywhere; `unspelled` turns it back.

    A backslash of the name itself is doubled where it would look like an escape.

    Example:
        >>> print(spelled("caf" + chr(0xDCE9) + ".jpg"), spelled("a.jpg"))  # a byte that is no UTF-8
        caf\xe9.jpg a.jpg
    """
    if "\\" not in name and name.isprintable():
        return name
    return _AMBIGUOUS.sub(lambda found: found[0] * 2 if found[0][0] == "\\" else _escape(found[0]), name)


def unspelled(name: str) -> str:
    """The name that `spelled` wrote.

    Example:
        >>> unspelled(spelled("caf" + chr(0xDCE9))) == "caf" + chr(0xDCE9)
        True
    """

    def original(found: re.Match[str]) -> str:
        backslashes, escape = "\\" * (len(found[1]) // 2), found[2]
        if len(found[1]) % 2 == 0:
            return backslashes + escape
        code = int(escape[1:], 16)
        return backslashes + chr(0xDC00 + code if escape[0] == "x" and code > 0x7F else code)

    return _ESCAPED.sub(original, name)


def cell(text: str) -> str:
    """A text as a cell that no spreadsheet runs as a formula: an apostrophe stands before one; see `uncell`.

    Numbers stay as they are.

    Example:
        >>> cell("=cat.jpg"), cell("-3.2"), cell("cat")
        ("'=cat.jpg", '-3.2', 'cat')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def uncell(text: str) -> str:
    """The text that `cell` wrote.

    Example:
        >>> uncell("'=cat.jpg"), uncell("'tis")
        ('=cat.jpg', "'tis")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _escape(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte, as Python carries one that is no text
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code <= 0x7F else f"\\u{code:04x}"


def separator_of(header: str) -> str:
    """What stands between the cells of a CSV file that a spreadsheet may have written, by its first line.

    Example:
        >>> separator_of("path;sha256;verdict, if any"), separator_of("path")
        (';', ',')
    """
    return max(",;\t", key=header.count)
