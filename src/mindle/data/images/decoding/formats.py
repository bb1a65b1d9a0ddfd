"""What bytes are that mindle does not read as a picture, and what to do about it."""

from __future__ import annotations

from mindle.messages import Message, message

# Where a mark stands, the mark, what it says of the file, what helps; the words are in `images.toml`.
_PICTURES = (
    (0, b"\xff\x0a", "jpeg-xl", "save"),
    (4, b"JXL \r\n\x87\n", "jpeg-xl", "save"),
    (0, b"8BPS", "photoshop", "save"),
    (0, b"gimp xcf", "gimp", "save"),
    (0, b"DDS ", "dds", "save"),
    (0, b"v/1\x01", "openexr", "scale"),
    (0, b"#?RADIANCE", "radiance", "scale"),
    (0, b"PF\n", "pfm", "scale"),
    (0, b"SIMPLE  =", "fits", "scale"),
    (128, b"DICM", "dicom", "window"),
    (4, b"ftypcrx", "raw", "develop"),
    (0, b"FUJIFILMCCD-RAW", "raw", "develop"),
    (0, b"IIU\0", "raw", "develop"),
    (0, b"IIRO", "raw", "develop"),
    (0, b"IIRS", "raw", "develop"),
    (0, b"FOVb", "raw", "develop"),
    (0, b"\0MRM", "raw", "develop"),
)
# Anything else that is often met among photos.
_OTHERS = (
    (0, b"version https://git-lfs", "git-lfs", "pull"),
    (0, b"%PDF", "pdf", "pages"),
    (0, b"%!PS", "postscript", "export"),
    (0, b"PK\x03\x04", "zip", "unpack"),
    (0, b"\x1f\x8b", "gzip", "unpack"),
    (0, b"\x89HDF", "hdf5", "write-files"),
    (0, b"\x93NUMPY", "numpy", "load"),
    (0, b"\x1aE\xdf\xa3", "video", "frames"),
    (4, b"ftyp", "container", "frames"),
)


def unread_format(data: bytes) -> tuple[str, Message]:
    """Kind of finding and a sentence about bytes that start like no format that is read.

    Example:
        >>> unread_format(b"%PDF-1.7")
        ('not-an-image', 'This is a PDF document, which mindle does not read. Export its pages as PNG.')
    """
    for kind, table in (("unsupported", _PICTURES), ("not-an-image", _OTHERS)):
        for at, mark, what, help in table:
            if data.startswith(mark, at):
                return kind, _unread(what, help)
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "not-an-image", _unread("svg", "export")
    page = start.startswith((b"<!doctype html", b"<html"))
    return "not-an-image", message("images.detail.web-page" if page else "images.detail.not-an-image")


def _unread(what: str, help: str) -> Message:
    return message(
        "images.detail.unread-format",
        what=message(f"images.format.{what}"),
        help=message(f"images.help.{help}"),
    )
