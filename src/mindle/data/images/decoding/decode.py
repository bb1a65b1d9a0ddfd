"""From anything that holds a picture to the pixels a model takes: the one place where images are decoded.

Content decides, never the file's name. A picture is turned upright by its EXIF orientation, animations give
their first frame, transparency lies over white, 16-bit values are scaled to 8 bits, CMYK and palettes become
RGB. Colour profiles are not applied. A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that still leaves
at least twice the wanted size in both directions, so that large photos cost little.

Whatever hostile bytes make a codec raise ends as `UndecodableImage` with a kind and one sentence.
"""

from __future__ import annotations

import io
import logging
import os
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, features

from mindle.artifacts.reading import SpecialFile, open_regular
from mindle.data.images.decoding.decoders import SharedMemory
from mindle.data.images.decoding.formats import read_format, unread_format
from mindle.data.images.decoding.looks import LOOKS, looks_of
from mindle.data.images.decoding.origin import Origin, origin_of
from mindle.data.images.decoding.tiff import layout_of, read_pixels
from mindle.errors import DataError
from mindle.messages import Message, message
from mindle.records import InputSpec

PIXEL_LIMIT = 120_000_000
"""Images of more pixels are refused from their header; the largest phone cameras take 108 million."""

FILE_LIMIT = 1 << 29
"""Files of more bytes are not read, in training and in answering; PIXEL_LIMIT pixels in RGB are below it."""

DECODER_MEMORY = 1 << 30
"""Bytes that all pictures which are being decoded may take together; threads wait for one another there. The
files that wait to be decoded take at most FILE_LIMIT beside it."""

# Pillow opens some forty formats. These are the ones photos come in; the rest stay closed because they are
# not pictures (fonts), start other programs (EPS runs Ghostscript), or take any bytes for a picture (TGA).
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG2000", "PPM", "ICO", "QOI")

# What turns a picture upright, by EXIF orientation; 1 is upright. 5 to 8 swap height and width.
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Facts are always taken from the same decode whichever pixels are asked for with them; 224 because most
# models ask for that size, so that both usually come from one decode.
_FACTS_SPEC = InputSpec(height=224, width=224)
_THUMBNAIL_SIDE = 32


class UndecodableImage(DataError):
    """A file or array that does not become pixels.

    Attributes:
        kind: "undecodable", "truncated", "bomb", "missing-codec", "unsupported", "empty", "not-an-image", or,
            where the file itself could not be read, "missing", "unreadable" or "special".
        detail: One sentence for people, without the file's name.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


_FILES = SharedMemory(FILE_LIMIT)
_DECODERS = SharedMemory(DECODER_MEMORY)
# Pillow keeps up to 4 bytes of a pixel, and once more while a picture is turned, flattened or scaled.
_BYTES_A_PIXEL = 8


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What one look at an image gives: facts, and the pixels of every size asked for.

    Attributes:
        kind: "" where the image decodes, else the kind of `UndecodableImage`.
        detail: The sentence that goes with `kind`.
        format: "JPEG", "PNG"…; "" for arrays and where nothing could be opened.
        mode: Pillow's name of the stored pixels, such as "RGB", "CMYK", "I;16".
        height, width: Full size in pixels after orientation; 0 where unreadable.
        frames: How many pictures the file holds; only the first is used.
        thumbnail: uint8 (32, 32), gray, squashed; the basis of perceptual hashes.
        looks: How it looks as a whole, an entry of `LOOKS`; the contrast of a blank image is near 0.
        origin: What the file tells of where it comes from.
        pixels: One uint8 (height, width, channel) array per spec, in the order of the specs.
    """

    kind: str = ""
    detail: str = ""
    format: str = ""
    mode: str = ""
    height: int = 0
    width: int = 0
    frames: int = 0
    thumbnail: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((32, 32), np.uint8))
    looks: NDArray[Any] = field(default_factory=lambda: np.zeros((), LOOKS))
    origin: Origin = Origin()
    pixels: tuple[NDArray[np.uint8], ...] = ()


def decode(source: bytes | Path | Image.Image | NDArray[np.uint8], spec: InputSpec) -> NDArray[np.uint8]:
    """Decode one image to exactly the pixels that `spec` describes.

    Args:
        source: A file's bytes or path, a Pillow image, or uint8 pixels (h, w), (h, w, 1), (h, w, 3) or
            (h, w, 4), the last with transparency. A Pillow image is never decoded at reduced scale, so a
            large JPEG opened with Pillow can differ slightly from the same file given by its path.
        spec: Size, fit, interpolation and colour. "pad" centres the image on black; "crop" fills the size
            and cuts what hangs over evenly on both sides.

    Returns:
        uint8 (spec.height, spec.width, spec.channels).

    Raises:
        UndecodableImage: If the source does not become pixels.
        TypeError, ValueError: If `source` is of another type, or an array of another kind or shape.

    Example:
        >>> white = np.full((10, 20, 3), 255, np.uint8)
        >>> decode(white, InputSpec(height=4, width=4, fit="pad"))[:, :, 0].tolist()
        [[0, 0, 0, 0], [255, 255, 255, 255], [255, 255, 255, 255], [0, 0, 0, 0]]
    """
    return decode_with_side(source, spec)[0]


def decode_with_side(
    source: bytes | Path | Image.Image | NDArray[np.uint8], spec: InputSpec
) -> tuple[NDArray[np.uint8], int]:
    """As `decode`, and how many pixels the shorter side of the whole image has.

    Example:
        >>> decode_with_side(np.zeros((10, 20, 3), np.uint8), InputSpec(height=4, width=4))[1]
        10
    """
    with _FILES.taken(_size_of(source)):
        picture = _Picture.open(source)
        with picture.explained(picture.scale_for(spec)) as base:
            return _fit(base, spec), min(picture.height, picture.width)


def examine(data: bytes | NDArray[np.uint8], specs: Sequence[InputSpec] = ()) -> Examined:
    """Decode once and give everything: facts for the checks, and the pixels of every spec.

    The pixels are byte-identical to those of `decode(data, spec)`, and the facts do not depend on `specs`.
    Problems are returned, not raised.

    Args:
        data: A file's bytes, or a uint8 array.
        specs: The pixels wanted with the facts.

    Returns:
        The facts; with `kind` set and no pixels where the image does not decode.

    Example:
        >>> examine(b"").kind
        'empty'
    """
    try:
        picture = _Picture.open(data)
        facts_scale = picture.scale_for(_FACTS_SPEC)
        scales = [picture.scale_for(spec) for spec in specs]
        pixels: dict[int, NDArray[np.uint8]] = {}
        thumbnail, looks = np.zeros((0, 0), np.uint8), np.zeros((), LOOKS)
        # One decode per scale, one base in memory at a time; nearly always there is a single scale.
        for scale in sorted({facts_scale, *scales}):
            with picture.explained(scale) as base:
                for position, spec in enumerate(specs):
                    if scales[position] == scale:
                        pixels[position] = _fit(base, spec)
                if scale == facts_scale:
                    thumbnail, looks = _seen(base)
    except UndecodableImage as problem:
        return Examined(kind=problem.kind, detail=problem.detail)
    return Examined(
        format=picture.format,
        mode=picture.mode,
        height=picture.height,
        width=picture.width,
        frames=picture.frames(),
        thumbnail=thumbnail,
        looks=looks,
        origin=picture.origin(),
        pixels=tuple(pixels[position] for position in range(len(specs))),
    )


def size_of(data: bytes) -> tuple[int, int]:
    """Read (height, width) after orientation from a file's header, decoding nothing.

    Args:
        data: The file's bytes; for most formats its first few hundred thousand suffice.

    Raises:
        UndecodableImage: If no header can be read.

    Example:
        >>> stream = io.BytesIO()
        >>> Image.new("L", (30, 20)).save(stream, "PNG")
        >>> size_of(stream.getvalue())
        (20, 30)
    """
    picture = _Picture.open(data)
    return picture.height, picture.width


class _Picture:
    """An opened source that gives its upright base image, gray or RGB, at a chosen scale."""

    def __init__(self, image: Image.Image, data: bytes | None, orientation: int) -> None:
        self.data = data
        self.format = image.format or ""
        self.mode = getattr(image, "stored_mode", image.mode)
        self.draftable = data is not None and self.format in ("JPEG", "MPO")
        self.orientation = orientation
        self.stored_size = image.size  # (width, height) as it lies in the file
        self.width, self.height = image.size[::-1] if orientation >= 5 else image.size
        self._opened: Image.Image | None = image
        self._loaded: Image.Image | None = None

    @classmethod
    def open(cls, source: object) -> _Picture:
        """Read the header of a source of any supported type."""
        if isinstance(source, Path):
            source = read_bytes(source)
        if isinstance(source, (bytes, bytearray, memoryview)):
            data = bytes(source)
            _refuse_bytes(len(data))
            with _explained(data):
                image = _open(data)
                return cls(image, data, _orientation(image, loaded=False))
        if isinstance(source, Image.Image):
            with _explained(None):
                _refuse_size(source.size)
                return cls(source, None, _orientation(source))
        if isinstance(source, np.ndarray):
            return cls(_from_array(source), None, 1)
        received = type(source).__name__
        raise TypeError(
            f"`source` must be bytes, a Path, a Pillow image or a uint8 array. Received {received}."
        )

    def scale_for(self, spec: InputSpec) -> int:
        """The largest of 8, 4, 2, 1 by which the JPEG codec may shrink and leave twice what is needed."""
        if not self.draftable:
            return 1
        height, width = _resized(self.height, self.width, spec)
        for scale in (8, 4, 2):
            if self.height // scale >= 2 * height and self.width // scale >= 2 * width:
                return scale
        return 1

    def at(self, scale: int) -> Image.Image:
        """The upright base image, "L" or "RGB", decoded at 1/scale."""
        image = self._opened if self._opened is not None else _open(self.data or b"")
        self._opened = None if self.data is not None else image  # a decoded file cannot be drafted again
        if scale > 1:
            image.draft(None, (self.stored_size[0] // scale, self.stored_size[1] // scale))
        try:
            image.load()
        except OSError as error:
            raise _explain_compression(image, error) from error
        self._loaded = image
        if not self.draftable:
            # Only now is everything known: loading a TIFF turns it upright and takes the tag away, a PNG may
            # hold its EXIF data behind the pixels, and some codecs only learn the true size here.
            self.orientation = _orientation(image)
            self.width, self.height = image.size[::-1] if self.orientation >= 5 else image.size
        base = _flat(image)
        return base.transpose(_UPRIGHT[self.orientation]) if self.orientation in _UPRIGHT else base

    @contextmanager
    def explained(self, scale: int) -> Iterator[Image.Image]:
        """`at`, once there is memory for it, which is taken to the end; errors are those of `_explained`."""
        with _DECODERS.taken(_bytes_a_pixel(self.format) * self.width * self.height // scale**2):
            with _explained(self.data):
                base = self.at(scale)
            yield base

    def frames(self) -> int:
        """How many pictures the file holds, 1 where counting them fails."""
        try:
            with _quiet():
                return int(getattr(self._loaded, "n_frames", 1))
        except Exception:  # a damaged later frame is no reason to refuse the first
            return 1

    def origin(self) -> Origin:
        """What the file tells of where it comes from; nothing of arrays."""
        return (
            Origin() if self.data is None or self._loaded is None else origin_of(self._loaded, len(self.data))
        )


def read_bytes(path: Path) -> bytes:
    """Read a file, with what the operating system refuses as kinds of problems.

    Raises:
        UndecodableImage: If the file is "missing", "unreadable", no regular file ("special"), or so large
            ("bomb") that no photo is.

    Example:
        >>> try:
        ...     read_bytes(Path("no such file.jpg"))
        ... except UndecodableImage as problem:
        ...     problem.kind
        'missing'
    """
    try:
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            _refuse_bytes(size)
            # A file that claims to be empty may be one that the system makes up, without an end.
            data = stream.read(size + 1) if size else b""  # room for what is there, not for the limit: 1.9 ms
            if len(data) > size:
                data += stream.read(FILE_LIMIT + 1 - len(data))
    except FileNotFoundError:
        raise UndecodableImage("missing", message("images.detail.missing")) from None
    except SpecialFile:
        raise UndecodableImage("special", message("images.detail.special")) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UndecodableImage("unreadable", message("images.detail.unreadable", reason=reason)) from error
    _refuse_bytes(len(data))
    return data


def _refuse_bytes(size: int) -> None:
    if size > FILE_LIMIT:
        sentence = message("images.detail.large-file", size=size >> 20, limit=FILE_LIMIT >> 20)
        raise UndecodableImage("bomb", sentence)


def file_memory(path: Path) -> AbstractContextManager[None]:
    """Hold as much of the memory for files as this one takes, for as long as its bytes are in memory.

    Example:
        >>> with file_memory(Path("no such file.jpg")):
        ...     pass
    """
    return _FILES.taken(_size_of(path))


def _size_of(source: object) -> int:
    """Bytes that will be read for a source; what is in memory already takes no more."""
    try:
        return source.stat().st_size if isinstance(source, Path) else 0
    except OSError:
        return 0  # `read_bytes` says why


@cache
def _load_codecs() -> None:
    """Register the codecs of FORMATS, or Pillow would import all forty plug-ins at the first miss."""
    for codec in ("Avif", "Ico", "Jpeg2K", "Mpo", "Qoi", "Tiff", "WebP"):
        import_module(f"PIL.{codec}ImagePlugin")
    # Pillow writes to its log what it then raises; where nobody keeps a log, Python would print that.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    Image.preinit()  # BMP, GIF, JPEG, PNG, PPM


def _open(data: bytes) -> Image.Image:
    """Open a file's bytes up to its header and refuse too many pixels before any is allocated."""
    if not data:
        raise UndecodableImage("empty", message("images.detail.empty"))
    _load_codecs()
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        image = _open_unidentified(data)
    _refuse_size(image.size, image.format or "")
    if _is_misread(image):
        image = _open_tiff(data)
    return image


def _is_misread(image: Any) -> bool:
    """Whether Pillow takes the planes of deep channels for something else: it knows those of 8 bits."""
    tags = getattr(image, "tag_v2", {})
    return bool(tags.get(284, 1) == 2 and tags.get(277, 1) > 1 and max(tags.get(258, (1,))) > 8)


def _open_tiff(data: bytes) -> Image.Image:
    """Read a TIFF whose channels Pillow does not know together, scaled to 8 bits; or say what it is."""
    try:
        layout = layout_of(data)
    except Exception:
        sentence = message("images.detail.damaged-header", format="TIFF")
        raise UndecodableImage("undecodable", sentence) from None
    _refuse_size((layout.width, layout.height))
    if not layout.is_readable:
        sentence = message("images.detail.tiff-layout", layout=layout.description)
        raise UndecodableImage("unsupported", sentence)
    with _DECODERS.taken(layout.width * layout.height * layout.channels * (layout.bits // 8 + 6)):
        values = read_pixels(data, layout)
        scaled = _scaled(values, sixteen=layout.kind == "u" and layout.bits == 16)
    image = Image.fromarray(scaled if scaled.shape[2] == 3 else scaled[:, :, 0])
    orientation = layout.tags.get(_ORIENTATION_TAG, 1)
    image.getexif()[_ORIENTATION_TAG] = orientation if orientation in _UPRIGHT else 1
    image.format, image.stored_mode = "TIFF", layout.mode  # type: ignore[attr-defined]
    return image


def _open_unidentified(data: bytes) -> Image.Image:
    """Open what Pillow alone does not know: HEIC through its extra package; else say what the bytes are."""
    name = read_format(data)
    if not name:
        raise UndecodableImage(*unread_format(data))
    if name == "HEIC":
        return _open_heif(data)
    if name == "TIFF":
        return _open_tiff(data)
    if name == "AVIF" and not features.check("avif"):
        raise UndecodableImage("missing-codec", message("images.detail.avif"))
    if _ends_early(data):
        raise UndecodableImage("truncated", message("images.detail.cut", format=name))
    raise UndecodableImage("undecodable", message("images.detail.damaged-header", format=name))


def _open_heif(data: bytes) -> Image.Image:
    """Open a HEIC file without registering its codec in Pillow, so that nobody else's Pillow changes."""
    try:
        import pillow_heif
    except ImportError:
        raise UndecodableImage("missing-codec", message("images.detail.heic")) from None
    if _ends_early(data):  # checked here because libheif makes up what is missing
        raise UndecodableImage("truncated", message("images.detail.cut", format="HEIC"))
    opener: Any = pillow_heif.HeifImageFile
    image: Image.Image = opener(io.BytesIO(data))
    return image


def _explain_compression(image: Image.Image, error: OSError) -> Exception:
    """The same error, unless a TIFF uses a compression that ready-made Pillows are built without."""
    compression = image.info.get("compression")
    if image.format == "TIFF" and compression in ("webp", "zstd", "lzma") and "decoder error" in str(error):
        sentence = message("images.detail.tiff-compression", compression=compression)
        return UndecodableImage("missing-codec", sentence)
    return error


def _ends_early(data: bytes) -> bool:
    """Whether a container's own lengths reach past the end of the data."""
    if data[:4] == b"RIFF":
        return 8 + int.from_bytes(data[4:8], "little") > len(data)
    if data[:4] == b"\x89PNG":
        return data[12:16] == b"IHDR" and b"IEND" not in data
    if data[4:8] == b"ftyp":
        at = 0
        while 0 <= at < len(data) - 8:
            size = int.from_bytes(data[at : at + 4], "big")
            if size < 8:  # 0 reaches to the end of the file, 1 has a 64-bit length: neither says it here
                return False
            at += size
        return at != len(data)
    return False


def _refuse_size(size: tuple[int, int], form: str = "") -> None:
    width, height = size
    if width < 1 or height < 1:
        sentence = message("images.detail.no-size", width=width, height=height)
        raise UndecodableImage("undecodable", sentence)
    limit = min(PIXEL_LIMIT, DECODER_MEMORY // _bytes_a_pixel(form))
    if width * height > limit:
        raise _bomb(message("images.detail.size", width=width, height=height), limit)


def _bytes_a_pixel(form: str) -> int:
    """Pillow's WebP codec keeps two frames of its own beside."""
    return 2 * _BYTES_A_PIXEL if form == "WEBP" else _BYTES_A_PIXEL


def _bomb(claim: Message, most: int = PIXEL_LIMIT) -> UndecodableImage:
    limit = most // 1_000_000
    return UndecodableImage("bomb", message("images.detail.large-image", claim=claim, limit=limit))


def _orientation(image: Image.Image, *, loaded: bool = True) -> int:
    """EXIF orientation 1 to 8; 1 where there is none, or none that can be read."""
    if not loaded and image.format == "PNG" and "exif" not in image.info:
        return 1  # `getexif` would decode the picture to look behind it, and swallow what that raises
    try:
        value: Any = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # damaged metadata is no reason to refuse a good picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _from_array(array: NDArray[np.uint8]) -> Image.Image:
    if array.dtype != np.uint8:
        raise ValueError(
            f"An image array must be uint8, 0 to 255. Received dtype {array.dtype}; scale it and convert "
            f"with `.astype('uint8')`."
        )
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.size == 0:
        raise ValueError(
            f"An image array must be (height, width), or have 1, 3 or 4 channels last. Received shape "
            f"{array.shape}."
        )
    pixels = array.reshape(array.shape[:2]) if channels == 1 else array
    return Image.fromarray(np.ascontiguousarray(pixels))


def _flat(image: Image.Image) -> Image.Image:
    """Any mode to "L" or "RGB": scaled to 8 bits, transparency over white."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return _eight_bits(image)
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return image.convert("L")
    if image.mode in ("LA", "La"):
        return _over_white(image.convert("LA"), "L")
    if image.has_transparency_data:
        return _over_white(image.convert("RGBA"), "RGB")
    return image.convert("RGB")


def _over_white(image: Image.Image, mode: str) -> Image.Image:
    canvas = Image.new(mode, image.size, "white")
    canvas.paste(image, mask=image)  # the image as its own mask saves two copies of a large picture
    return canvas


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale deep gray to 8 bits: 16-bit files by their full range, other depths by the range they use.

    16-bit gray has a meaning for its largest value, 65535, so the scale is fixed. 32-bit integers and floats
    have none: values up to 1 (floats), 255 or 65535 are read on that scale, anything else is stretched.
    """
    values = np.asarray(image)
    scaled = _scaled(values, sixteen=image.mode.startswith("I;16") or image.format == "PPM")
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        scaled[values == transparent] = 255
    return Image.fromarray(scaled)


def _scaled(values: NDArray[Any], *, sixteen: bool) -> NDArray[np.uint8]:
    """Samples of any type as 8 bits."""
    low, high = (0.0, 65535.0) if sixteen else _range(values, floats=values.dtype.kind == "f")
    # In float32 and by rows, because a 100-megapixel scan must not become a gigabyte.
    wide = np.float32 if max(abs(low), abs(high)) < 1e30 else np.float64
    scaled = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), 256):
        with np.errstate(all="ignore"):  # some NaN complain when they are widened
            part = values[row : row + 256].astype(wide)
        part = np.clip(np.nan_to_num(part, nan=low, posinf=high, neginf=low), low, high)
        scaled[row : row + 256] = np.clip(np.rint((part - low) * (255.0 / (high - low))), 0, 255)
    return scaled


def _range(values: NDArray[Any], *, floats: bool) -> tuple[float, float]:
    # Half of what a double holds, so that a difference of two is a number too.
    finite = values[np.abs(values) < 8e307] if floats and values.dtype.itemsize == 8 else values
    finite = finite[np.isfinite(finite)] if floats else finite
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    for limit in (1.0, 255.0, 65535.0) if floats else (255.0, 65535.0):
        if low >= 0 and high <= limit:
            return 0.0, limit
    return (low, high) if high > low else (low, low + 1.0)


def _resized(height: int, width: int, spec: InputSpec) -> tuple[int, int]:
    """The (height, width) that the whole image shrinks or grows to before padding or cropping."""
    if spec.fit == "squash":
        return spec.height, spec.width
    choose = min if spec.fit == "pad" else max
    ratio = choose(spec.height / height, spec.width / width)
    return max(1, round(height * ratio)), max(1, round(width * ratio))


def _fit(base: Image.Image, spec: InputSpec) -> NDArray[np.uint8]:
    """Bring an upright base image to the spec's size and colour."""
    resample = Image.Resampling[spec.interpolation.upper()]
    if spec.colour == "gray":
        base = base.convert("L")
    width, height = base.size
    if spec.fit == "crop":
        # The box keeps the target's aspect, so that one resize both scales and cuts.
        ratio = min(width / spec.width, height / spec.height)
        half_width, half_height = spec.width * ratio / 2, spec.height * ratio / 2
        box = (
            max(0.0, width / 2 - half_width),
            max(0.0, height / 2 - half_height),
            min(float(width), width / 2 + half_width),
            min(float(height), height / 2 + half_height),
        )
        image = base.resize((spec.width, spec.height), resample, box=box)
    else:
        inner = _resized(height, width, spec)
        image = base.resize((inner[1], inner[0]), resample)
    if spec.colour == "rgb" and image.mode != "RGB":
        image = image.convert("RGB")
    pixels = np.asarray(image, dtype=np.uint8).reshape(image.size[1], image.size[0], spec.channels)
    return pixels.copy() if pixels.shape == spec.shape else _padded(pixels, spec)  # (height, width, channel)


def _padded(pixels: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.uint8]:
    canvas = np.zeros(spec.shape, np.uint8)
    top, left = (spec.height - pixels.shape[0]) // 2, (spec.width - pixels.shape[1]) // 2
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return canvas


def _seen(base: Image.Image) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Thumbnail for hashes, and how the picture looks as a whole."""
    gray = base.convert("L")
    thumbnail = gray.resize((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BILINEAR)
    return np.array(thumbnail, np.uint8), looks_of(base, gray)


@contextmanager
def _explained(data: bytes | None) -> Iterator[None]:
    """Turn whatever a codec raises on hostile bytes into `UndecodableImage`.

    Codecs raise nearly anything (struct.error, SyntaxError, zlib.error, IndexError…), so everything is
    caught; only opening, loading and flattening run inside.
    """
    try:
        with _quiet():
            yield
    except UndecodableImage:
        raise
    except Image.DecompressionBombError as error:
        claimed = re.search(r"\d+", str(error))
        raise _bomb(
            message("images.detail.pixels", pixels=int(claimed[0]) if claimed else PIXEL_LIMIT)
        ) from error
    except MemoryError as error:
        raise UndecodableImage("bomb", message("images.detail.memory")) from error
    except Exception as error:
        early = isinstance(error, EOFError) or "truncat" in str(error).lower()
        cut = early or (data is not None and _ends_early(data))
        reason = " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__
        sentence = message(f"images.detail.{'cut' if cut else 'damaged'}-because", reason=reason)
        raise UndecodableImage("truncated" if cut else "undecodable", sentence) from error


_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_filters: warnings.catch_warnings[Any] | None = None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings about odd metadata and large images from users; the findings say it better.

    `warnings.catch_warnings` belongs to the process, not to a thread, and threads that leave in another order
    than they entered would restore each other's filters. So the first one in sets it and the last one out
    takes it back.
    """
    global _quiet_depth, _quiet_filters
    with _quiet_lock:
        _quiet_depth += 1
        if _quiet_depth == 1:
            _quiet_filters = warnings.catch_warnings()
            _quiet_filters.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif\.")
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0 and _quiet_filters is not None:
                _quiet_filters.__exit__(None, None, None)
                _quiet_filters = None
