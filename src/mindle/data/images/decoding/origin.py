"""What a file tells of where its picture comes from: its compression, the camera, the date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from PIL import ExifTags, Image

_DAY_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Of one file; all is unknown of an array.

    Attributes:
        size_bytes: Of the file; 0 where there is none.
        tables: Mean of the numbers by which a JPEG divides, larger for lower quality; 0 of other formats.
        camera: Maker and model; "" where unknown.
        taken: Days since 1970 when it was taken, with a fraction; NaN where unknown.
    """

    size_bytes: int = 0
    tables: float = 0.0
    camera: str = ""
    taken: float = float("nan")


def origin_of(image: Image.Image, size_bytes: int) -> Origin:
    """What a loaded picture tells; damaged metadata tell nothing.

    Example:
        >>> origin_of(Image.new("L", (8, 8)), 100)
        Origin(size_bytes=100, tables=0.0, camera='', taken=nan)
    """
    tables: dict[int, Any] = getattr(image, "quantization", None) or {}
    count = sum(map(len, tables.values()))
    divisor = sum(map(sum, tables.values())) / count if count else 0.0
    camera, taken = "", float("nan")
    try:
        exif = image.getexif()
        if exif:
            words = (str(exif.get(tag, "")).strip("\0 ") for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
            camera = " ".join(" ".join(words).split())
            own = exif.get_ifd(ExifTags.IFD.Exif)
            taken = _days(own.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime))
    except Exception:  # damaged metadata are no reason to refuse a good picture
        pass
    return Origin(size_bytes=size_bytes, tables=divisor, camera=camera, taken=taken)


def _days(text: Any) -> float:
    """Days since 1970 of "2024:05:31 13:45:00"; NaN of anything else."""
    written = str(text or "")
    try:
        moment = datetime.fromisoformat(written[:10].replace(":", "-") + written[10:19])
    except ValueError:
        return float("nan")
    return moment.replace(tzinfo=UTC).timestamp() / _DAY_SECONDS
