"""Decoding: pixels by meaning, every odd file's outcome, and pixels that never depend on their company."""

from __future__ import annotations

import builtins
import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mindle.data.images.decoding.decode import PIXEL_LIMIT, UndecodableImage, decode, examine, size_of
from mindle.records import InputSpec
from tests.processes import python

# Outcome of every file of the shared folder of odd images: "" decodes, else the kind. Those that decode have
# their (height, width) after orientation.
ODD: dict[str, str | tuple[int, int]] = {
    "LICENSE.exif-orientation-examples": "not-an-image",
    "LICENSE.pillow": "not-an-image",
    "LICENSE.pillow_heif": "not-an-image",
    "exif_Landscape_1.jpg": (1200, 1800),
    "exif_Landscape_6.jpg": (1200, 1800),
    "exif_Portrait_8.jpg": (1800, 1200),
    "heiftest_LA_16__128x128.png": (128, 128),
    "heiftest_LA_8__128x128.png": (128, 128),
    "heiftest_L_16__128x128.png": (128, 128),
    "heiftest_L_8__29x100.png": (100, 29),
    "heiftest_RGBA_16__128x128.png": (128, 128),
    "heiftest_RGB_10__128x128.heif": (128, 128),
    "heiftest_RGB_16__128x128.png": (128, 128),
    "heiftest_corrupted.heic": "truncated",
    "heiftest_empty.heic": "empty",
    "heiftest_truncated.heic": "truncated",
    "heiftest_zPug_3.heic": (64, 64),
    "hymenoptera_imageNotFound.gif": (300, 300),
    "monkeys_n9151jpg": (409, 580),
    "pillow_apng-mode_16bit.png": (64, 128),
    "pillow_apng-num_plays.png": (64, 128),
    "pillow_avif-hopper.avif": (128, 128),
    "pillow_avif-hopper.heif": (128, 128),
    "pillow_avif-rot1mir0.avif": (427, 640),
    "pillow_avif-star.avifs": (159, 159),
    "pillow_avif-star.gif": (159, 159),
    "pillow_avif-transparency.avif": (64, 64),
    "pillow_bmp-b-badwidth.bmp": "bomb",
    "pillow_broken.png": "undecodable",
    "pillow_broken_data_stream.png": "truncated",
    "pillow_crash-0da013a13571cc8eb457a39fee8db18f8a3c7127.tif": (84, 218),
    "pillow_decompression_bomb.gif": "bomb",
    "pillow_decompression_bomb.ico": "bomb",
    "pillow_decompression_bomb_extents.gif": (100, 100),
    "pillow_dispose_bgnd_transparency.gif": (32, 38),
    "pillow_hopper.bmp": (128, 128),
    "pillow_hopper.gif": (128, 128),
    "pillow_hopper.jpg": (128, 128),
    "pillow_hopper.png": (128, 128),
    "pillow_hopper.ppm": (128, 128),
    "pillow_hopper.tif": (128, 128),
    "pillow_hopper.webp": (128, 128),
    "pillow_hopper_16bit.pgm": (128, 128),
    "pillow_hopper_1bit_plain.pbm": (128, 128),
    "pillow_hopper_bad_exif.jpg": (500, 500),
    "pillow_hopper_gray.jpg": (128, 128),
    "pillow_hopper_orientation_2.jpg": (128, 128),
    "pillow_hopper_orientation_3.jpg": (128, 128),
    "pillow_hopper_orientation_4.jpg": (128, 128),
    "pillow_hopper_orientation_5.jpg": (128, 128),
    "pillow_hopper_orientation_6.jpg": (128, 128),
    "pillow_hopper_orientation_6.webp": (128, 128),
    "pillow_hopper_orientation_7.jpg": (128, 128),
    "pillow_hopper_orientation_8.jpg": (128, 128),
    "pillow_hopper_webp.tif": "missing-codec",
    "pillow_i_trns.png": (64, 64),
    "pillow_icc-after-SOF.jpg": (10, 10),
    "pillow_invalid-exif.jpg": (200, 200),
    "pillow_iss634.gif": (245, 245),
    "pillow_iss634.webp": (245, 245),
    "pillow_l_trns.png": (64, 64),
    "pillow_multiple_exif.jpg": (1, 1),
    "pillow_negative_size.ppm": "undecodable",
    "pillow_orientation_rectangle.jpg": (2, 1),
    "pillow_p_trns_single.png": (64, 64),
    "pillow_palette_sepia.png": (128, 128),
    "pillow_pil123p.png": (150, 162),
    "pillow_pil123rgba.png": (150, 162),
    "pillow_pil_sample_cmyk.jpg": (100, 100),
    "pillow_pngtest_bad.png.bin": "not-an-image",
    "pillow_rgb_trns.png": (64, 64),
    "pillow_sugarshack.mpo": (480, 640),
    "pillow_tiff_16bit_RGB.tiff": (40, 100),
    "pillow_transparent.png": (150, 200),
    "pillow_truncated_app14.jpg": (100, 100),
    "pillow_truncated_image.png": "truncated",
    "pillow_truncated_jpeg.jpg": "truncated",
}
HEIF = {name for name in ODD if name.endswith((".heic", ".heif"))} - {"heiftest_empty.heic"}


def spec(height: int, width: int | None = None, **settings: Any) -> InputSpec:
    gray = settings.get("colour") == "gray"
    moments: dict[str, Any] = {"mean": (0.0,), "std": (1.0,)} if gray else {}
    return InputSpec(height=height, width=width or height, **moments, **settings)


def encoded(image: Image.Image, file_format: str, **settings: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **settings)
    return stream.getvalue()


def photo(height: int, width: int, seed: int = 0) -> Image.Image:
    """Smooth colour blobs: compresses like a photo and has no symmetry."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def distance(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def corners() -> Image.Image:
    """Red, green, blue and white quarters, wider than high: upright in one way only."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :24] = (255, 0, 0)
    pixels[:16, 24:] = (0, 255, 0)
    pixels[16:, :24] = (0, 0, 255)
    pixels[16:, 24:] = 255
    return Image.fromarray(pixels)


# --- what a picture becomes -----------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_orientation_comes_out_upright(orientation: int, file_format: str) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what a camera held that way stores: the inverse turn
    stored = corners()
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    settings: dict[str, Any] = {"exif": exif} | ({} if file_format in ("PNG", "TIFF") else {"quality": 95})
    examined = examine(encoded(stored, file_format, **settings), [spec(32, 48)])
    assert (examined.kind, examined.height, examined.width) == ("", 32, 48)
    assert distance(examined.pixels[0], np.asarray(corners())) < 6


def test_a_large_drafted_photo_is_upright_and_reports_its_full_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(photo(1800, 1000).transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)
    examined = examine(data, [spec(90, 50)])
    assert (examined.height, examined.width) == (1800, 1000)
    upright = np.asarray(photo(1800, 1000).resize((50, 90), Image.Resampling.BILINEAR))
    assert distance(examined.pixels[0], upright) < 3
    assert size_of(data) == (1800, 1000)


def test_sixteen_bit_gray_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(1, 256).repeat(4, axis=0)
    for data in (encoded(Image.fromarray(ramp), "PNG"), encoded(Image.fromarray(ramp), "TIFF")):
        pixels = decode(data, spec(4, 256))
        np.testing.assert_allclose(pixels[0, :, 0], np.arange(256), atol=1)


def test_a_dark_sixteen_bit_image_stays_dark() -> None:
    dim = np.full((8, 8), 2570, np.uint16)
    assert decode(encoded(Image.fromarray(dim), "PNG"), spec(8)).max() == 10


@pytest.mark.parametrize(("top", "expected"), [(1.0, 255), (200.0, 200), (65535.0, 255), (1e6, 255)])
def test_floats_are_read_on_the_scale_they_use(top: float, expected: int) -> None:
    ramp = np.linspace(0, top, 64, dtype=np.float32).reshape(8, 8)
    pixels = decode(encoded(Image.fromarray(ramp), "TIFF"), spec(8))
    assert (pixels.min(), pixels.max()) == (0, expected)


def test_floats_that_are_no_numbers_become_black() -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    ramp[7, 7] = np.nan
    assert decode(encoded(Image.fromarray(ramp), "TIFF"), spec(8))[7, 7].max() == 0


def test_thirty_two_bit_integers_keep_their_order() -> None:
    ramp = np.linspace(-1000, 2_000_000, 64).astype(np.int32).reshape(8, 8)
    pixels = decode(encoded(Image.fromarray(ramp), "TIFF"), spec(8))[:, :, 0].ravel()
    assert pixels[0] == 0
    assert pixels[-1] == 255
    assert (np.diff(pixels.astype(int)) > 0).all()


def test_cmyk_red_is_red() -> None:
    red = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    assert decode(encoded(red, "JPEG"), spec(32))[16, 16].tolist() == pytest.approx([254, 0, 0], abs=6)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_over_white(mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 4, 8))
    pixels = decode(encoded(image.convert(mode), "PNG"), spec(8))
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[0, 7].tolist() == [255, 255, 255]


def test_a_transparent_gray_level_lies_over_white() -> None:
    levels = np.array([[0, 100], [0, 100]], np.uint8)
    pixels = decode(encoded(Image.fromarray(levels), "PNG", transparency=0), spec(2))
    assert pixels[:, :, 0].tolist() == [[255, 100], [255, 100]]


def test_half_transparent_black_is_gray() -> None:
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert decode(encoded(half, "PNG"), spec(4)).mean() == pytest.approx(127, abs=1)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_plain_modes_keep_black_and_white(mode: str) -> None:
    image = Image.new("RGB", (8, 8), "white")
    image.paste((0, 0, 0), (0, 0, 4, 8))
    pixels = decode(encoded(image.convert(mode), "PNG"), spec(8))
    assert pixels[:, :4].max() == 0
    assert pixels[:, 4:].min() == 255


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_frame(file_format: str) -> None:
    first, second = Image.new("RGB", (16, 16), (250, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 250))
    settings: dict[str, Any] = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(first, file_format, save_all=True, append_images=[second], **settings)
    examined = examine(data, [spec(4)])
    assert examined.frames == 2
    assert examined.pixels[0][0, 0].tolist() == pytest.approx([250, 0, 0], abs=5)


def test_fits_squash_pad_and_crop() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255  # black, white, black thirds
    for fit, expected in (
        ("squash", [[0, 255, 0]] * 3),
        ("pad", [[0, 0, 0], [0, 255, 0], [0, 0, 0]]),
        ("crop", [[255, 255, 255]] * 3),
    ):
        pixels = decode(wide, spec(3, fit=fit, interpolation="nearest"))
        assert pixels[:, :, 0].tolist() == expected, fit


def test_gray_spec_gives_one_channel_of_luma() -> None:
    green = Image.new("RGB", (8, 8), (0, 255, 0))
    pixels = decode(green, spec(4, colour="gray"))
    assert pixels.shape == (4, 4, 1)
    assert pixels.mean() == pytest.approx(0.587 * 255, abs=1)


def test_an_extreme_aspect_still_fits() -> None:
    line = np.full((1, 3000), 200, np.uint8)
    for fit in ("squash", "pad", "crop"):
        assert decode(line, spec(8, fit=fit)).shape == (8, 8, 3)


@pytest.mark.parametrize("shape", [(6, 6), (6, 6, 1), (6, 6, 3), (6, 6, 4)])
def test_arrays_decode_like_files(shape: tuple[int, ...]) -> None:
    array = np.full(shape, 255, np.uint8)
    assert decode(array, spec(3)).tolist() == np.full((3, 3, 3), 255).tolist()


def test_arrays_of_another_kind_are_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"must be uint8.*Received dtype float64"):
        decode(np.zeros((4, 4)), spec(4))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"Received shape \(2, 4, 4, 3\)"):
        decode(np.zeros((2, 4, 4, 3), np.uint8), spec(4))
    with pytest.raises(TypeError, match="Received int"):
        decode(5, spec(4))  # type: ignore[arg-type]


def test_a_path_bytes_and_a_pillow_image_agree(tmp_path: Path) -> None:
    data = encoded(photo(60, 80), "JPEG")
    file = tmp_path / "no ending"
    file.write_bytes(data)
    wanted = decode(data, spec(40))
    assert np.array_equal(decode(file, spec(40)), wanted)
    with Image.open(file) as image:
        assert np.array_equal(decode(image, spec(40)), wanted)


# --- one recipe for all pixels -----------------------------------------------

COMPANY = [
    spec(32),
    spec(224),
    spec(96, fit="crop", interpolation="bicubic"),
    spec(200, 120, fit="pad"),
    spec(28, colour="gray"),
]


@pytest.mark.parametrize(
    ("file_format", "size"),
    [
        ("JPEG", (1500, 2000)),
        ("JPEG", (224, 224)),
        ("JPEG", (700, 500)),
        ("JPEG", (33, 900)),
        ("PNG", (400, 300)),
    ],
)
def test_pixels_and_facts_do_not_depend_on_what_else_is_asked(
    size: tuple[int, int], file_format: str
) -> None:
    data = encoded(photo(*size), file_format)
    together = examine(data, COMPANY)
    backwards = examine(data, COMPANY[::-1])
    bare = examine(data)
    for position, one in enumerate(COMPANY):
        wanted = decode(data, one)
        assert np.array_equal(together.pixels[position], wanted)
        assert np.array_equal(backwards.pixels[-1 - position], wanted)
        assert np.array_equal(examine(data, [one]).pixels[0], wanted)
    for other in (together, backwards):
        assert np.array_equal(bare.thumbnail, other.thumbnail)
        assert (bare.looks, bare.height, bare.width) == (other.looks, *size)


def test_a_drafted_jpeg_looks_like_the_whole_one() -> None:
    data = encoded(photo(1600, 1600), "JPEG", quality=95)
    with Image.open(io.BytesIO(data)) as image:  # Pillow images are never drafted
        assert distance(decode(data, spec(64)), decode(image, spec(64))) < 1


def test_facts_tell_blank_from_busy() -> None:
    blank = examine(encoded(Image.new("RGB", (50, 50), (10, 10, 10)), "PNG"))
    checks = examine(encoded(Image.fromarray(np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 255), "PNG"))
    assert blank.looks["contrast"] == 0
    assert checks.looks["contrast"] == pytest.approx(127.5, abs=0.1)
    assert checks.thumbnail.shape == (32, 32)


# --- what does not become pixels -----------------------------------------------


def kind_of(data: bytes) -> str:
    with pytest.raises(UndecodableImage) as caught:
        decode(data, spec(8))
    examined = examine(data, [spec(8)])
    assert (examined.kind, examined.detail, examined.pixels) == (caught.value.kind, str(caught.value), ())
    assert caught.value.detail.endswith(".")
    return caught.value.kind


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds a single empty chunk of pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_kinds_of_what_is_no_picture() -> None:
    assert kind_of(b"") == "empty"
    assert kind_of(b"hello, this is text") == "not-an-image"
    assert kind_of(b"%PDF-1.7 and so on") == "not-an-image"
    assert kind_of(b"\xff\xd8\xff" + b"rubbish" * 20) == "undecodable"
    assert kind_of(png_header(0, 10)) == "undecodable"


def test_postscript_is_never_opened() -> None:
    assert kind_of(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n") == "not-an-image"


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP"])
def test_half_a_file_is_never_half_a_picture(file_format: str) -> None:
    data = encoded(photo(200, 200), file_format)
    assert kind_of(data[: len(data) // 2]) in ("truncated", "undecodable")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF", "BMP"])
def test_half_a_file_is_called_truncated(file_format: str) -> None:
    data = encoded(photo(200, 200), file_format)
    assert kind_of(data[: len(data) // 2]) == "truncated"


def test_bombs_are_refused_by_their_header() -> None:
    assert kind_of(png_header(60_000, 60_000)) == "bomb"
    assert kind_of(png_header(PIXEL_LIMIT // 10_000 + 1, 10_000)) == "bomb"
    with pytest.raises(UndecodableImage, match="30,000,000,000|200000 x 150000"):
        decode(png_header(200_000, 150_000), spec(8))


def test_a_large_honest_image_raises_no_warning() -> None:
    # Between Pillow's warning (89 million pixels) and its error, and below the limit here.
    data = b"P4 9504 9500\n" + bytes(9504 // 8 * 9500)
    examined = examine(data, [spec(8)])
    assert (examined.kind, examined.height) == ("", 9_500)


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(UndecodableImage, match="does not exist") as caught:
        decode(tmp_path / "none.jpg", spec(8))
    assert caught.value.kind == "missing"
    with pytest.raises(UndecodableImage, match="cannot be read") as caught:
        decode(tmp_path, spec(8))
    assert caught.value.kind == "unreadable"


def test_random_damage_never_raises_anything_else() -> None:
    random = np.random.default_rng(7)
    for file_format in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "AVIF", "ICO"):
        whole = encoded(photo(40, 50), file_format)
        for _ in range(25):
            damaged = bytearray(whole)
            for place in random.integers(0, len(whole), 1 + len(whole) // 200):
                damaged[place] = random.integers(0, 256)
            examined = examine(bytes(damaged), [spec(8)])
            assert (examined.kind == "") == (len(examined.pixels) == 1)


def test_heic_without_its_package_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "pillow_heif":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UndecodableImage, match=r"pip install 'mindle\[heif\]'") as caught:
        decode(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", spec(8))
    assert caught.value.kind == "missing-codec"


def test_heic_is_read_where_its_package_is_installed() -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra `heif`")
    stream = io.BytesIO()
    pillow_heif.from_pillow(photo(64, 96)).save(stream, quality=95)
    examined = examine(stream.getvalue(), [spec(64, 96)])
    assert (examined.format, examined.height, examined.width) == ("HEIF", 64, 96)
    assert distance(examined.pixels[0], np.asarray(photo(64, 96))) < 6


def test_pillow_is_left_as_it_was() -> None:
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(examine, [png_header(60_000, 60_000), encoded(photo(50, 50), "JPEG")] * 40))
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


# --- the odd files -----------------------------------------------


@pytest.fixture(scope="module")
def odd(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue("shared") / "data" / "odd"
    return folder


@pytest.mark.shared
def test_every_odd_file_has_its_outcome(odd: Path) -> None:
    assert sorted(ODD) == sorted(file.name for file in odd.iterdir())
    try:
        import pillow_heif  # noqa: F401

        expected = ODD
    except ImportError:
        expected = ODD | dict.fromkeys(HEIF, "missing-codec")
    outcomes = {}
    for file in sorted(odd.iterdir()):
        examined = examine(file.read_bytes(), [spec(64)])
        outcomes[file.name] = examined.kind or (examined.height, examined.width)
    # The TIFF in WebP compression is read where Pillow was built with it.
    if outcomes["pillow_hopper_webp.tif"] == (128, 128):
        expected = expected | {"pillow_hopper_webp.tif": (128, 128)}
    assert outcomes == expected


@pytest.mark.shared
def test_hopper_looks_the_same_in_every_format_and_orientation(odd: Path) -> None:
    wanted = decode(odd / "pillow_hopper.png", spec(64))
    names = [f"orientation_{number}.jpg" for number in range(2, 9)] + ["orientation_6.webp"]
    files = [f"pillow_hopper_{name}" for name in names]
    files += [f"pillow_hopper.{ending}" for ending in ("bmp", "gif", "jpg", "ppm", "tif", "webp")]
    files += ["pillow_avif-hopper.avif"]
    for name in files:
        assert distance(decode(odd / name, spec(64)), wanted) < 6, name
    gray = decode(odd / "pillow_hopper.png", spec(64, colour="gray"))
    for name in ("pillow_hopper_gray.jpg", "pillow_hopper_16bit.pgm"):
        assert distance(decode(odd / name, spec(64, colour="gray")), gray) < 6, name


@pytest.mark.shared
def test_odd_pictures_show_what_they_should(odd: Path) -> None:
    def pixel(name: str, row: float, column: float) -> list[int]:
        pixels = decode(odd / name, spec(64))
        return [int(value) for value in pixels[int(row * 63), int(column * 63)]]

    ramp = decode(odd / "heiftest_L_16__128x128.png", spec(64))[:, :, 0].mean(axis=1)
    assert ramp.min() < 5
    assert ramp.max() > 250  # a 16-bit ramp from black to white
    assert (
        max(pixel("pillow_pil_sample_cmyk.jpg", 0.02, 0.05)[1:])
        < 60
        < pixel("pillow_pil_sample_cmyk.jpg", 0.02, 0.05)[0]
    )
    assert pixel("pillow_transparent.png", 0, 0) == [255, 255, 255]
    assert pixel("pillow_pil123p.png", 0, 0) == [255, 255, 255]
    assert pixel("pillow_apng-mode_16bit.png", 0.5, 0.5) == [255, 0, 0]
    assert pixel("pillow_avif-star.gif", 0.5, 0.5) == pytest.approx(
        pixel("pillow_avif-star.avifs", 0.5, 0.5), abs=12
    )
    one, six = (decode(odd / f"exif_Landscape_{n}.jpg", spec(64)) for n in (1, 6))
    assert distance(one, six) < 8


@pytest.mark.shared
def test_the_odd_files_stay_small_in_memory_and_quiet(odd: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    script = (
        "import sys, pathlib\n"
        "from mindle.data.images.decoding.decode import examine\n"
        "from mindle.records import InputSpec\n"
        "for file in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    examine(file.read_bytes(), [InputSpec(height=224, width=224)])\n"
        "lines = pathlib.Path('/proc/self/status').read_text().splitlines()\n"
        "print(next(line.split()[1] for line in lines if line.startswith('VmHWM')))\n"
    )
    done = python(script, str(odd), flags=["-W", "error"])
    assert int(done.stdout) < 300_000  # kB
    assert "Traceback" not in done.stderr


def test_webp_takes_twice_the_memory_and_half_the_pixels() -> None:
    """A few bytes can claim 16,383 x 16,383 pixels; here 9,000 x 9,000, which no memory is taken for."""
    good = io.BytesIO()
    Image.new("RGB", (16, 16)).save(good, "WEBP", lossless=True)
    data = bytearray(good.getvalue())
    at = data.index(b"VP8L") + 9
    data[at : at + 4] = (8999 | 8999 << 14).to_bytes(4, "little")
    with pytest.raises(UndecodableImage, match="above 67 million are refused") as caught:
        decode(bytes(data), InputSpec(height=8, width=8))
    assert caught.value.kind == "bomb"
