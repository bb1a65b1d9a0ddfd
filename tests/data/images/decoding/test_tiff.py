"""TIFF layouts that Pillow does not open: one or three channels of any numbers are read, others described."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mindle.data.images.decoding.decode import UndecodableImage, decode, examine
from mindle.records import InputSpec

SPEC = InputSpec(height=21, width=34)
PICTURE = np.random.default_rng(0).integers(0, 256, (21, 34, 3), np.uint8)
FLOATS = (PICTURE / 255).astype(np.float32)


def predicted(tile: NDArray[Any], predictor: int) -> bytes:
    """A tile or strip (row, column, channel) as a predictor leaves it."""
    if predictor == 1:
        return tile.tobytes()
    size = tile.dtype.itemsize
    if predictor == 2:
        whole = tile.view(f"{tile.dtype.str[0]}u{size}").astype(f"u{size}")
        whole[:, 1:] = whole[:, 1:] - whole[:, :-1].copy()
        return whole.astype(f"{tile.dtype.str[0]}u{size}").tobytes()
    rows, columns, channels = tile.shape
    heavy = tile.astype(tile.dtype.newbyteorder(">")).view(np.uint8).reshape(rows, columns * channels, size)
    flat = heavy.transpose(0, 2, 1).reshape(rows, -1, channels).copy()
    flat[:, 1:] = flat[:, 1:] - flat[:, :-1].copy()
    return flat.tobytes()


def tiff(
    pixels: NDArray[Any], *, planar: bool = False, rows: int = 0, tile: int = 0, packed: bool = False,
    predictor: int = 1, order: str = "<", photometric: int = 2,
) -> bytes:  # fmt: skip
    """A TIFF of any layout, written by hand."""
    height, width, channels = pixels.shape
    pixels = pixels.astype(pixels.dtype.newbyteorder(order))
    pieces = []
    for plane in [pixels[:, :, k : k + 1] for k in range(channels)] if planar else [pixels]:
        if tile:
            padded = np.zeros(
                (-(-height // tile) * tile, -(-width // tile) * tile, plane.shape[2]), plane.dtype
            )
            padded[:height, :width] = plane
            pieces += [
                np.ascontiguousarray(padded[y : y + tile, x : x + tile])
                for y in range(0, height, tile)
                for x in range(0, width, tile)
            ]
        else:
            step = rows or height
            pieces += [np.ascontiguousarray(plane[y : y + step]) for y in range(0, height, step)]
    strips = [predicted(piece, predictor) for piece in pieces]
    strips = [zlib.compress(strip) for strip in strips] if packed else strips
    kind = {"u": 1, "i": 2, "f": 3, "c": 6}[pixels.dtype.kind]
    tags: dict[int, list[int]] = {
        256: [width], 257: [height], 258: [8 * pixels.itemsize] * channels, 259: [8 if packed else 1],
        262: [photometric], 277: [channels], 284: [2 if planar else 1], 317: [predictor],
        339: [kind] * channels,
    }  # fmt: skip
    sizes = [len(strip) for strip in strips]
    offsets = [8 + sum(sizes[:at]) for at in range(len(strips))]
    tags |= {322: [tile], 323: [tile], 324: offsets, 325: sizes} if tile else {}
    tags |= {273: offsets, 278: [rows or height], 279: sizes} if not tile else {}
    at = 8 + sum(sizes)
    entries, behind = b"", b""
    for tag, values in sorted(tags.items()):
        data = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            behind, data = behind + data, struct.pack(f"{order}I", at + 6 + 12 * len(tags) + len(behind))
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + data
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at)
    return head + b"".join(strips) + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + behind


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("predictor", [1, 2, 3])
@pytest.mark.parametrize(
    "layout", [{}, {"planar": True}, {"rows": 5}, {"tile": 16}, {"tile": 16, "planar": True}]
)
def test_three_float_channels_are_read(order: str, predictor: int, layout: dict[str, Any]) -> None:
    data = tiff(FLOATS, predictor=predictor, order=order, packed=True, **layout)
    np.testing.assert_array_equal(decode(data, SPEC), PICTURE)


@pytest.mark.parametrize(
    ("pixels", "mode"),
    [
        (FLOATS.astype(np.float64), "RGB;64F"),
        (PICTURE.astype(np.float16), "RGB;16F"),
        (PICTURE.astype(np.int16), "RGB;16I"),
        (PICTURE.astype(np.uint32), "RGB;32U"),
        (PICTURE.astype(np.int32), "RGB;32I"),
    ],
)
def test_other_numbers_are_read_and_said(pixels: NDArray[Any], mode: str) -> None:
    seen = examine(tiff(pixels), [SPEC])
    assert (seen.kind, seen.mode, seen.height, seen.width) == ("", mode, 21, 34)
    np.testing.assert_array_equal(seen.pixels[0], PICTURE)


def test_planes_of_sixteen_bits_are_not_taken_for_something_else() -> None:
    """Pillow opens them and mixes their bytes up."""
    deep = PICTURE.astype(np.uint16) * 257
    np.testing.assert_array_equal(decode(tiff(deep, planar=True), SPEC), PICTURE)


def test_gray_doubles_are_read() -> None:
    gray = decode(tiff(FLOATS[:, :, :1].astype(np.float64), photometric=1), SPEC)
    np.testing.assert_array_equal(gray[:, :, 0], PICTURE[:, :, 0])


def test_nan_and_infinity_do_no_harm() -> None:
    odd = FLOATS.copy()
    odd[0, :3, 0] = np.nan, np.inf, -np.inf
    found = decode(tiff(odd), SPEC)
    assert found[0, :3, 0].tolist() == [0, 255, 0]
    decode(tiff(odd.astype(np.float64) * 1e308), SPEC)


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((4, 5, 5), np.uint16), "5 channels of 16-bit whole numbers"),
        (np.zeros((4, 5, 2), np.float32), "2 channels of 32-bit floats"),
        (np.zeros((4, 5, 12), np.uint8), "12 channels of 8-bit whole numbers"),
        (np.zeros((4, 5, 1), np.complex64), "1 channel of 64-bit complex or other values"),
    ],
)
def test_other_layouts_are_described(
    pixels: NDArray[Any], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        UndecodableImage, match=f"This is a TIFF with {words}.* Save the three channels"
    ) as caught:
        decode(tiff(pixels), SPEC)
    assert caught.value.kind == "unsupported"
    assert capfd.readouterr().err == ""


def test_what_is_damaged_is_still_called_so() -> None:
    data = tiff(FLOATS, packed=True)
    with pytest.raises(UndecodableImage, match="damaged|ends early"):
        decode(data[:8] + bytes(200) + data[208:], SPEC)
    with pytest.raises(UndecodableImage, match="header is damaged"):
        decode(data[: len(data) // 2], SPEC)
