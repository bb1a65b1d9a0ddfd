"""TIFF layouts that Pillow does not open: read where they are one or three channels, described otherwise.

A strip or tile of any layout is bytes that libtiff unpacks. So Pillow is shown a gray picture of 8 bits whose
rows are those bytes, and what they mean, their order, type, planes and predictor, is worked out here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from mindle.messages import Message, message

# Packed without loss by a codec that knows nothing of pixels: none, LZW, deflate twice, PackBits, ZSTD.
_LOSSLESS = (1, 5, 8, 32946, 32773, 50000)
_COMPRESSIONS = {2: "CCITT", 3: "CCITT", 4: "CCITT", 6: "old JPEG", 7: "JPEG", 34887: "LERC", 34925: "LZMA"}
_FORMATS = {1: "u", 2: "i", 3: "f"}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What the first directory of a TIFF says of its pixels.

    Attributes:
        height, width: In pixels.
        channels: Samples of a pixel.
        bits: Of each sample.
        kind: "u", "i" or "f" as NumPy says it; "" for anything else, such as complex numbers.
        planar: Whether each channel lies by itself.
        tags: All of the directory.
        order: "<" or ">".
    """

    height: int
    width: int
    channels: int
    bits: int
    kind: str
    planar: bool
    tags: Any
    order: str

    @property
    def is_readable(self) -> bool:
        """Whether `read_pixels` can read it."""
        sizes = {"u": (8, 16, 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}.get(self.kind, ())
        return (
            self.channels in (1, 3)
            and self.bits in sizes
            and self.tags.get(259, 1) in _LOSSLESS
            and self.tags.get(262, 1) in (0, 1, 2)
            and self.tags.get(317, 1) in (1, 2, 3)
        )

    @property
    def mode(self) -> str:
        """A name like Pillow's."""
        return f"{'RGB' if self.channels == 3 else 'L'};{self.bits}{self.kind.upper()}"

    @property
    def description(self) -> Message:
        """What the pixels are, for people."""
        values = message(f"images.tiff.{self.kind or 'other'}")
        plain = message("images.tiff.layout", n=self.channels, bits=self.bits, values=values)
        packed = _COMPRESSIONS.get(self.tags.get(259, 1))
        return message("images.tiff.packed", layout=plain, compression=packed) if packed else plain


def layout_of(data: bytes) -> Layout:
    """Read the first directory.

    Raises:
        Exception: Of many kinds, where it is damaged.
    """
    stream = io.BytesIO(data)
    head = stream.read(16 if data[2:4] in (b"+\x00", b"\x00+") else 8)
    tags = TiffImagePlugin.ImageFileDirectory_v2(head)
    stream.seek(tags.next)
    tags.load(stream)
    bits = _all(tags.get(258, 1))
    kinds = {_FORMATS.get(each, "") for each in _all(tags.get(339, 1))}
    if len(set(bits)) != 1 or min(tags[256], tags[257], tags.get(277, 1)) < 1:
        raise ValueError("channels of different depth, or none")
    return Layout(
        height=int(tags[257]),
        width=int(tags[256]),
        channels=int(tags.get(277, 1)),
        bits=bits[0],
        kind=kinds.pop() if len(kinds) == 1 else "",
        planar=tags.get(284, 1) == 2,
        tags=tags,
        order="<" if data[:2] == b"II" else ">",
    )


def _all(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def read_pixels(data: bytes, layout: Layout) -> NDArray[Any]:
    """The samples (height, width, channel) of a readable layout, in their own type.

    Raises:
        Exception: Of many kinds, where the data are damaged.
    """
    tags, tiled = layout.tags, 324 in layout.tags
    places, counts = (324, 325) if tiled else (273, 279)
    offsets, sizes = _all(tags[places]), _all(tags[counts])
    planes = layout.channels if layout.planar else 1
    each = len(offsets) // planes  # strips or tiles of a plane
    found = [
        _plane(data, layout, offsets[at * each : (at + 1) * each], sizes[at * each : (at + 1) * each])
        for at in range(planes)
    ]
    pixels = found[0] if len(found) == 1 else np.concatenate(found, axis=2)
    if tags.get(262, 1) == 0:  # white is zero
        pixels = pixels.max() - pixels
    return pixels


def _plane(data: bytes, layout: Layout, offsets: Any, sizes: Any) -> NDArray[Any]:
    """One plane, or all channels where they lie together: (height, width, channel)."""
    tags, together = layout.tags, 1 if layout.planar else layout.channels
    size = layout.bits // 8
    step = int(tags[322]) if 324 in tags else layout.width  # the predictor begins anew in each tile
    rows = int(tags[323]) if 324 in tags else 1
    height, width = -(-layout.height // rows) * rows, -(-layout.width // step) * step
    raw = _bytes(data, layout, offsets, sizes, (height, width * together * size))
    if tags.get(317, 1) == 3:
        pixels = _float_predictor(raw.reshape(height, -1, step * together * size), together, layout)
    else:
        pixels = raw.view(f"{layout.order}{layout.kind}{size}")
        if tags.get(317, 1) == 2:
            whole = pixels.astype(f"u{size}") if layout.kind != "f" else pixels.view(f"{layout.order}u{size}")
            runs = whole.reshape(height, -1, step, together)
            pixels = np.cumsum(runs, axis=2, dtype=f"u{size}").view(f"{layout.kind}{size}")
    return pixels.reshape(height, width, together)[: layout.height, : layout.width]


def _float_predictor(raw: NDArray[np.uint8], stride: int, layout: Layout) -> NDArray[Any]:
    """Undo Adobe's predictor of floats: bytes of like weight stand together, as differences.

    Source:
        Adobe Photoshop TIFF Technical Note 3, 2005.
    """
    height, tiles, length = raw.shape
    size = layout.bits // 8
    whole = np.cumsum(raw.reshape(height, tiles, -1, stride), axis=2, dtype=np.uint8)
    weights = whole.reshape(height, tiles, size, length // size)  # the heaviest byte first
    return np.ascontiguousarray(weights.transpose(0, 1, 3, 2)).view(f">f{size}")


def _bytes(
    data: bytes, layout: Layout, offsets: Any, sizes: Any, shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """The unpacked bytes of some strips or tiles: a directory of such a picture is put behind the file."""
    tags = layout.tags
    head = data[:2] + (b"*\0" if layout.order == "<" else b"\0*")
    places: dict[int, Any] = {273: tuple(offsets), 278: int(tags.get(278, layout.height)), 279: tuple(sizes)}
    if 324 in tags:
        width = shape[1] // -(-layout.width // int(tags[322]))
        places = {322: width, 323: int(tags[323]), 324: tuple(offsets), 325: tuple(sizes)}
    longs = {256: shape[1], 257: shape[0], 259: tags.get(259, 1), **places}
    fixed = {258: 8, 262: 1, 277: 1, 284: 1, 339: 1}
    end = len(data) + len(data) % 2
    whole = head + struct.pack(f"{layout.order}I", end) + data[8:].ljust(end - 8, b"\0")
    whole += _directory(longs | fixed, end, layout.order)
    with TiffImagePlugin.TiffImageFile(io.BytesIO(whole)) as image:
        return np.ascontiguousarray(np.asarray(image))


def _directory(tags: Mapping[int, int | tuple[int, ...]], at: int, order: str) -> bytes:
    """A directory of 32-bit numbers that stands at an offset, with what does not fit into it behind it."""
    entries, behind = b"", b""
    for tag, value in sorted(tags.items()):
        values = _all(value)
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            place = at + 2 + 12 * len(tags) + 4 + len(behind)
            behind, packed = behind + packed, struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + packed
    return struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + behind
