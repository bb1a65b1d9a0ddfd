"""What bytes are that mindle does not read as a picture, and what to do about it."""

from __future__ import annotations

_RAW = "a camera's raw file", "Develop it to JPEG or PNG first."
_SAVE = "Save it as PNG, JPEG or TIFF."

# Pictures: where their mark stands, the mark, what they are, what helps.
_PICTURES = (
    (0, b"\xff\x0a", "a JPEG XL image", _SAVE),
    (4, b"JXL \r\n\x87\n", "a JPEG XL image", _SAVE),
    (0, b"8BPS", "a Photoshop file", _SAVE),
    (0, b"gimp xcf", "a GIMP file", _SAVE),
    (0, b"DDS ", "a DDS texture", _SAVE),
    (0, b"v/1\x01", "an OpenEXR image", "Scale it to 8 or 16 bits and save it as PNG or TIFF."),
    (0, b"#?RADIANCE", "a Radiance HDR image", "Scale it to 8 or 16 bits and save it as PNG or TIFF."),
    (0, b"PF\n", "a PFM image of floats", "Scale it to 8 or 16 bits and save it as PNG or TIFF."),
    (0, b"SIMPLE  =", "a FITS file", "Scale it to 8 or 16 bits and save it as PNG or TIFF."),
    (128, b"DICM", "a DICOM file", "Export its picture as PNG, with the window that doctors look at."),
    (4, b"ftypcrx", *_RAW),
    (0, b"FUJIFILMCCD-RAW", *_RAW),
    (0, b"IIU\0", *_RAW),
    (0, b"IIRO", *_RAW),
    (0, b"IIRS", *_RAW),
    (0, b"FOVb", *_RAW),
    (0, b"\0MRM", *_RAW),
)
# Anything else that is often met among photos.
_OTHERS = (
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "Run `git lfs pull`."),
    (0, b"%PDF", "a PDF document", "Export its pages as PNG."),
    (0, b"%!PS", "a PostScript file", "Export it as PNG."),
    (0, b"PK\x03\x04", "a ZIP archive", "Unpack it."),
    (0, b"\x1f\x8b", "a gzip archive", "Unpack it."),
    (0, b"\x89HDF", "an HDF5 file", "Write its pictures as files, or as an .npz of uint8 arrays."),
    (0, b"\x93NUMPY", "a NumPy array", "Load it and give the array, or write an .npz."),
    (0, b"\x1aE\xdf\xa3", "a video", "Export some frames as JPEG."),
    (4, b"ftyp", "a video, or another file of its kind", "Export some frames as JPEG."),
)


def unread_format(data: bytes) -> tuple[str, str]:
    """Kind of finding and a sentence about bytes that start like no format that is read.

    Example:
        >>> unread_format(b"%PDF-1.7")
        ('not-an-image', 'This is a PDF document, which mindle does not read. Export its pages as PNG.')
    """
    for kind, table in (("unsupported", _PICTURES), ("not-an-image", _OTHERS)):
        for at, mark, what, help in table:
            if data[at : at + len(mark)] == mark:
                return kind, f"This is {what}, which mindle does not read. {help}"
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "not-an-image", "This is an SVG drawing, which mindle does not read. Export it as PNG."
    if start.startswith((b"<!doctype html", b"<html")):
        return (
            "not-an-image",
            "This is a web page, perhaps of a download that failed. Download the file again.",
        )
    return "not-an-image", "The file's content is not an image in a format that mindle reads."
