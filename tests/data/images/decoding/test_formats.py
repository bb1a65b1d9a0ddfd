"""Files that are no pictures mindle reads are called by their name."""

from __future__ import annotations

import pytest

from mindle.data.images.decoding.decode import UndecodableImage, decode
from mindle.records import InputSpec


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"\xff\x0a" + bytes(50), "unsupported", "JPEG XL"),
        (bytes(3) + b"\x0cJXL \r\n\x87\n" + bytes(50), "unsupported", "JPEG XL"),
        (bytes(3) + b"\x18ftypcrx " + bytes(50), "unsupported", "camera's raw file"),
        (bytes(128) + b"DICM" + bytes(50), "unsupported", "DICOM"),
        (b"8BPS" + bytes(50), "unsupported", "Photoshop"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "not-an-image", "SVG"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html></html>", "not-an-image", "web page"),
        (b"%PDF-1.7\n", "not-an-image", "PDF"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "not-an-image", "git lfs pull"),
        (bytes(3) + b"\x20ftypisom" + bytes(50), "not-an-image", "video"),
        (b"anything else", "not-an-image", "not an image in a format"),
    ],
)
def test_formats_are_named(data: bytes, kind: str, words: str) -> None:
    with pytest.raises(UndecodableImage, match=words) as caught:
        decode(data, InputSpec(height=8, width=8))
    assert caught.value.kind == kind
