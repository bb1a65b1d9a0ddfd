"""Where the files are that a list names: as they are spelled there, or found below the list's folder."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mindle.data.common.filenames import is_picture_name, stem
from mindle.data.common.names import litter, name_of, nfc
from mindle.data.images.decoding.decode import UndecodableImage, read_bytes, size_of
from mindle.text import uncell, unspelled

# Names alone are looked for so deep below the list's folder, and in so many folders.
_DEPTH, _MOST_FOLDERS = 2, 200


@dataclass(frozen=True)
class Locator:
    """Finds the files that a list in a folder names."""

    folder: Path

    def locate(self, typed: str) -> tuple[str, str, bool]:
        """NFC path of a row, the path as the disk spells it, and whether it is a file.

        Lists are often made on another system than they are read on: with backslashes, or with names that
        the disk spells with other Unicode characters. The spelling that exists is taken. A name without
        its folder, its ending or both, or in other capitals, is looked for below the folder, and taken where
        one file alone has it.
        """
        ours = (uncell(typed), unspelled(typed), unspelled(uncell(typed)))  # as mindle writes a name
        plain = [typed, typed.replace("\\", "/"), *ours]
        for spelled in (form for text in plain for form in _forms(text)):
            place = os.path.join(self.folder, spelled)
            if os.path.exists(place) and not os.path.isdir(place):
                break  # a pipe is there too; the check says what it is
        else:
            below = self._below.get(nfc(posixpath.normpath(plain[1])).casefold())
            if not below:
                return name_of(_relative(self.folder, plain[1])), plain[1], False
            spelled = below
        return name_of(_relative(self.folder, spelled)), spelled, True

    def is_picture(self, typed: str) -> bool:
        """Whether a cell leads to a file whose header is that of a picture."""
        _, spelled, exists = self.locate(typed)
        try:
            return exists and size_of(read_bytes(self.folder / spelled)) is not None
        except UndecodableImage:
            return False

    @cached_property
    def _below(self) -> dict[str, str]:
        """Files below the folder by path and by name, with and without ending; "" where several have it."""
        found: dict[str, str] = {}
        for path in self._files():
            whole = nfc(path).casefold()
            name = posixpath.basename(whole)
            for key in {name, stem(name), whole, f"{whole[: -len(name)]}{stem(name)}"}:
                found[key] = "" if key in found else path
        return found

    def _files(self) -> Iterator[str]:
        places = [""]
        for visited, place in enumerate(places):
            if visited == _MOST_FOLDERS:
                return
            try:
                with os.scandir(self.folder / place) as listing:
                    entries = [entry for entry in listing if not litter(entry.name)]
                folders = [entry.name for entry in entries if entry.is_dir()]
            except OSError:
                continue
            for entry in entries:
                if is_picture_name(entry.name) and entry.is_file():
                    yield posixpath.join(place, entry.name)
            if place.count("/") + bool(place) < _DEPTH:
                places += [posixpath.join(place, name) for name in sorted(folders)]


def _forms(text: str) -> Iterator[str]:
    yield text
    if not text.isascii():
        yield unicodedata.normalize("NFC", text)
        yield unicodedata.normalize("NFD", text)


def _relative(folder: Path, spelled: str) -> str:
    """The same path below the list's folder where it lies there, without `./` and with forward slashes."""
    if os.path.isabs(spelled):
        absolute = os.path.abspath(folder)
        inside = os.path.relpath(spelled, absolute) if _same_drive(spelled, absolute) else spelled
        spelled = spelled if inside.startswith(os.pardir) else inside
    return posixpath.normpath(spelled.replace(os.sep, "/"))


def _same_drive(one: str, other: str) -> bool:
    return os.path.splitdrive(one)[0].lower() == os.path.splitdrive(other)[0].lower()
