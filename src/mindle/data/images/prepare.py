"""The split of a data set laid out for use elsewhere: folders of files, or one `.npz`.

The source is only read. A file gets its name when it is whole, never before, so that an interrupted call
can be repeated: what is there is not written again. What the folders cannot say (order, groups, names that
file systems refuse) stands in `prepared.json`, which `mindle.data.read` honours.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mindle.artifacts.files import PARTIAL, explained, refused, replacing
from mindle.artifacts.manifest import fingerprint
from mindle.artifacts.prepared import (
    FINISHED,
    RUNNING,
    PreparedFile,
    PreparedIndex,
    read_index,
    write_index,
)
from mindle.artifacts.reading import open_regular
from mindle.data.common.counts import set_aside_counts
from mindle.data.common.names import litter, nfc
from mindle.data.images.decoding.decode import UndecodableImage
from mindle.data.images.decoding.formats import read_format
from mindle.data.images.pixels import Pixels, in_threads, load_unchanged, pixels
from mindle.data.images.sources.pictures import load
from mindle.errors import DataError, DeviceError
from mindle.messages import message
from mindle.records import SILENT, SPLITS, ArrayImages, Dataset, FileImages, InputSpec, Listener

LAYOUTS = ("folders", "npz")
LINKS = ("copy", "hard", "symbolic")

# What Keras's `image_dataset_from_directory` takes by its name, and passes over in silence otherwise.
KERAS_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "BMP": ".bmp"}

# Names that some system refuses: characters of Windows, its devices, and what is too long with an ending.
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST_BYTES = 200

_NPZ_CHUNK_BYTES = 32 << 20
# A zip member without a time of its own: the same data give the same file.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What `prepare` laid out.

    Attributes:
        path: The folder or the `.npz` file.
        layout: "folders" or "npz".
        counts: Images of each class in each split.
        set_aside: How many files of the source were set aside for each reason.
        failed: Images that could not be laid out, and why.
        written: How many images this call wrote; the others were there already.
        renamed: How many files have another name than in the source.
        unread_by_keras: Files of formats that Keras passes over, such as WebP.
    """

    path: Path
    layout: str
    counts: Mapping[str, Mapping[str, int]]
    set_aside: Mapping[str, int]
    failed: Mapping[str, str]
    written: int
    renamed: int = 0
    unread_by_keras: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The document that `mindle prepare --json` writes."""
        return {"schema": 1, **asdict(self), "path": str(self.path)}


# ---- names ------------------------------------------------------------------------------------------------


def safe_name(name: str) -> str:
    """A name that every file system takes and that nobody passes over: as it is where that is so already.

    Example:
        >>> safe_name("oak"), safe_name("a/b: <c>"), safe_name(".hidden"), safe_name("con.jpg")
        ('oak', 'a_b_ _c_', '_.hidden', '_con.jpg')
    """
    safe = _REFUSED.sub("_", nfc(name))
    if not safe or safe[-1] in " .":
        safe = f"{safe.rstrip(' .')}_"
    if litter(safe) or _DEVICES.fullmatch(safe):
        safe = f"_{safe}"
    stem, ending = os.path.splitext(safe)
    # A letter has one to four bytes; whole letters are cut, never half of one.
    room = _LONGEST_BYTES - len(ending.encode())
    while len(stem.encode()) > room:
        stem = stem[:-1]
    return stem + ending


def distinct_names(names: Sequence[str]) -> list[str]:
    """Safe names, all different also where a file system does not distinguish capitals from small letters.

    Example:
        >>> distinct_names(["1.jpg", "1.JPG", "2.jpg"])
        ['1.jpg', '1-2.JPG', '2.jpg']
    """
    safe = [safe_name(name) for name in names]
    # Names that need no change keep them, whoever comes first.
    unchanged = {name.casefold() for name, wish in zip(safe, names, strict=True) if name == wish}
    taken: set[str] = set()
    for position, name in enumerate(safe):
        changed, number = name, 2
        keeps = name == names[position]
        while changed.casefold() in taken or (changed.casefold() in unchanged and not keeps):
            stem, ending = os.path.splitext(name)
            changed, number, keeps = f"{stem}-{number}{ending}", number + 1, False
        taken.add(changed.casefold())
        safe[position] = changed
    return safe


# ---- folders ----------------------------------------------------------------------------------------------


def lay_out_folders(
    dataset: Dataset, out: Path, *, link: str = "copy", settings: Mapping[str, Any], listener: Listener
) -> Prepared:
    """Lay the split out as OUT/{train,val,test}/<class>/file; go on where an interrupted call stopped.

    Args:
        dataset: Checked and split.
        out: A new or empty folder, or one that the same call began.
        link: "copy", "hard" or "symbolic".
        settings: What was asked; with the images' content it says whether `out` is of the same call.
        listener: Hears progress of the stage "prepare".

    Raises:
        ValueError: If `out` holds something else, or arrays should be linked.
        DeviceError: If the disk is full, read-only, or cannot link.
    """
    files = isinstance(dataset.images, FileImages)
    if link != "copy" and not files:
        raise ValueError(
            f"`link` must be copy for images that come as an array. Received link={link!r}: there are no "
            "files to link to. Leave it out."
        )
    rows = _used(dataset)
    settings = {**settings, "link": link, "fingerprint": fingerprint(dataset)}
    index = _plan(dataset, rows, settings)
    _claim(out, index)
    for folder in {(out / file.path).parent for file in index.files}:
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for draft in folder.glob(f".*{PARTIAL}"):  # what a killed call wrote by half
                draft.unlink()
    write_index(out, index)

    failed: dict[str, str] = {}
    written = 0
    results = in_threads(lambda item: _place(dataset, out, *item, link), zip(rows, index.files, strict=True))
    for done, (file, state) in enumerate(zip(index.files, results, strict=True), start=1):
        if isinstance(state, UndecodableImage):
            failed[file.original] = state.detail
        else:
            written += state
        if done % 64 == 0 or done == len(rows):
            listener.progress("prepare", done, len(rows))
    there = tuple(file for file in index.files if file.original not in failed)
    write_index(out, replace(index, state=FINISHED, files=there, failed=failed))
    return Prepared(
        path=out,
        layout="folders",
        counts=_counts(dataset, [row for row in rows if dataset.paths[row] not in failed]),
        set_aside=set_aside_counts(dataset),
        failed=failed,
        written=written,
        renamed=sum(_base(file.path) != _base(file.original) for file in there) if files else 0,
        unread_by_keras=tuple(
            file.original for file in there if not file.path.lower().endswith(KERAS_ENDINGS)
        ),
    )


def _plan(dataset: Dataset, rows: Sequence[int], settings: Mapping[str, Any]) -> PreparedIndex:
    """Which image goes where, decided by the data alone, so that a repeated call decides the same."""
    folders = dict(zip(dataset.classes, distinct_names(dataset.classes), strict=True))
    places: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        places[f"{dataset.splits[row]}/{folders[dataset.classes[dataset.labels[row]]]}"].append(row)
    paths: dict[int, str] = {}
    for place, members in places.items():
        names = distinct_names([_wish(dataset, row) for row in members])
        paths |= {row: f"{place}/{name}" for row, name in zip(members, names, strict=True)}
    files = tuple(
        PreparedFile(path=paths[row], original=dataset.paths[row], group=dataset.groups[row]) for row in rows
    )
    return PreparedIndex(state=RUNNING, settings=settings, folders=folders, files=files, failed={})


def _wish(dataset: Dataset, row: int) -> str:
    """The name that an image would best have: with an ending that Keras takes, where its format has one."""
    if isinstance(dataset.images, ArrayImages):
        return f"{row:06d}.png"
    name = _base(dataset.paths[row])
    if name.lower().endswith(KERAS_ENDINGS):
        return name
    try:
        with open_regular(dataset.images.root / dataset.images.names[row]) as file:
            start = file.read(4)
    except OSError:
        return name  # why it cannot be read is said when the file is laid out
    return name + _ENDINGS.get(read_format(start), "")


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _claim(out: Path, index: PreparedIndex) -> None:
    """Refuse a folder that holds anything but the same split."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"`out` must be a folder. Received {out}, which is a file. Choose another name.")
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
    if not any(out.iterdir()):
        return
    before = read_index(out)
    if before is None:
        raise ValueError(
            f"`out` must be a new or empty folder, or one that `mindle prepare` began. Received {out}, which "
            "holds other files. Choose another."
        )
    names = sorted({*before.settings, *index.settings})
    changed = [name for name in names if before.settings.get(name) != index.settings.get(name)]
    if changed:
        raise ValueError(
            f"`out` must hold the split of the same data with the same settings. {out} differs in "
            f"{', '.join(changed)}. Choose another folder."
        )


def _place(dataset: Dataset, out: Path, row: int, file: PreparedFile, link: str) -> int | UndecodableImage:
    """Put one image in its place: 1 where it was written, 0 where it was there, else why it could not be."""
    target = out / file.path
    try:
        if isinstance(dataset.images, ArrayImages):
            if target.exists():
                return 0
            data = _png(dataset, row)
        else:
            source = dataset.images.root / dataset.images.names[row]
            if link != "copy":
                return _link(os.link if link == "hard" else os.symlink, source, target)
            if _is_whole(target, source):
                return 0
            data = bytes(load_unchanged(dataset, row, dataset.sha256[row]))
    except UndecodableImage as problem:
        return problem
    # Hidden, so that a folder that is read in the meantime has no such image.
    draft = target.with_name(f".{row:06d}{PARTIAL}")
    with replacing(target, draft=draft, durable=False) as place:
        place.write_bytes(data)
    return 1


def _is_whole(target: Path, source: Path) -> bool:
    """Whether a copy is there; its size is compared as well, for disks that lost power."""
    try:
        return target.stat().st_size == source.stat().st_size
    except OSError:
        return False


def _png(dataset: Dataset, row: int) -> bytes:
    stream = io.BytesIO()
    image = np.asarray(load(dataset, row), np.uint8)
    Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image).save(stream, "PNG")
    return stream.getvalue()


def _link(make: Any, source: Path, target: Path) -> int:
    """Link to the file itself, also where the source is a link."""
    real = os.path.realpath(source)
    if not os.path.isfile(real):
        raise UndecodableImage("missing", message("images.detail.gone"))
    if os.path.lexists(target):
        return 0
    try:
        make(real, target)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EMLINK):
            raise DeviceError(
                f"{target} must be a link that this disk can make. Received: {error.strerror}. Hard links "
                "take one disk and a file of your own, and links a file system that has them: take "
                "--link copy and an empty folder."
            ) from error
        raise refused(target, error) from error
    return 1


# ---- npz --------------------------------------------------------------------------------------------------


def lay_out_npz(
    dataset: Dataset,
    out: Path,
    *,
    size: tuple[int, int] | None = None,
    settings: Mapping[str, Any],
    listener: Listener = SILENT,
) -> Prepared:
    """Write the split as one `.npz`: `data, targets, names, classes, split, groups, files`.

    `data` is uint8 (image, height, width[, channel]), uncompressed, so that it can be mapped into memory.

    Args:
        dataset: Checked and split.
        out: A file that does not exist yet, or one that the same call wrote.
        size: (height, width); not needed where all images have one size.
        settings: What was asked.
        listener: Hears progress.

    Raises:
        ValueError: If `out` is something else, or no size is given for images of many sizes.
        DeviceError: If the disk is full or read-only.
    """
    rows = _used(dataset)
    spec = _spec(dataset, rows, size)
    about = {**settings, "size": [spec.height, spec.width], "fingerprint": fingerprint(dataset)}
    report = Prepared(
        path=out,
        layout="npz",
        counts=_counts(dataset, rows),
        set_aside=set_aside_counts(dataset),
        failed={},
        written=0,
    )
    if out.exists():
        if _about(out) != about:
            raise ValueError(
                f"`out` must be a new file. Received {out}, which holds something else and is never written "
                "over. Choose another name."
            )
        return report
    with explained(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
    images = pixels(dataset, np.array(rows, np.int64), spec, listener=listener)
    said = {"split": dataset.splits, "groups": dataset.groups, "files": dataset.paths}
    columns = {
        "targets": dataset.labels[rows],
        "names": np.array(dataset.classes),
        "classes": np.array(dataset.classes),
        **{name: np.array([column[row] for row in rows]) for name, column in said.items()},
        "about": np.array(json.dumps(about)),
    }
    with replacing(out) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
        _write_data(archive, images, spec, listener)
        for name, column in columns.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _NO_TIME), "w") as stream:
                np.lib.format.write_array(stream, column, allow_pickle=False)
    return replace(report, written=len(rows))


def _spec(dataset: Dataset, rows: Sequence[int], size: tuple[int, int] | None) -> InputSpec:
    """The pixels of the array: as asked, or the size that all images have; gray where the source is."""
    if size is None:
        sizes = {(int(dataset.heights[row]), int(dataset.widths[row])) for row in rows}
        if len(sizes) > 1:
            raise ValueError(
                f"`size` must be given where images have different sizes. Received {len(sizes):,} sizes, "
                f"such as {' and '.join(f'{h}x{w}' for h, w in sorted(sizes)[:2])}. Give --size 224,224, or "
                "the height and width that suit you."
            )
        size = sizes.pop()
    spec = InputSpec(height=size[0], width=size[1])
    array = dataset.images.array if isinstance(dataset.images, ArrayImages) else None
    if array is not None and (array.ndim == 3 or array.shape[3] == 1):
        return replace(spec, colour="gray", mean=(0.0,), std=(1.0,))
    return spec


def _write_data(archive: zipfile.ZipFile, images: Pixels, spec: InputSpec, listener: Listener) -> None:
    """The pixels, some megabytes at a time."""
    shape = images.shape[:3] if spec.channels == 1 else images.shape
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    step = max(1, _NPZ_CHUNK_BYTES // int(np.prod(spec.shape)))
    with archive.open(zipfile.ZipInfo("data.npy", _NO_TIME), "w", force_zip64=True) as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for start in range(0, len(images), step):
            some: NDArray[np.int64] = np.arange(start, min(start + step, len(images)))
            stream.write(np.ascontiguousarray(images[some]).data)
            listener.progress("prepare", int(some[-1]) + 1, len(images))


def _about(file: Path) -> Any:
    """What an `.npz` of ours says of itself, None for anything else."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return json.loads(str(arrays["about"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


# ---- both -------------------------------------------------------------------------------------------------


def parse_shape(text: str) -> tuple[int, int]:
    """(height, width) of what was typed: "180,240", "180x240" or "180".

    Raises:
        ValueError: If it is no size.

    Example:
        >>> parse_shape("180,240"), parse_shape("64")
        ((180, 240), (64, 64))
    """
    match = re.fullmatch(r"\s*(\d+)\s*(?:[,x]\s*(\d+)\s*)?", text)
    sides = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not all(1 <= side <= 4096 for side in sides):
        raise ValueError(
            f"`size` must be a height and a width in 1 to 4096, such as 180,240. Received {text!r}."
        )
    return sides


def _used(dataset: Dataset) -> list[int]:
    """Rows that take part, in the order of the data."""
    rows = [row for row in dataset.rows().tolist() if dataset.splits[row]]
    if not rows:
        raise DataError("There must be an image to lay out. Received none. `mindle check` says why.")
    return rows


def _counts(dataset: Dataset, rows: Iterable[int]) -> dict[str, dict[str, int]]:
    counts = Counter((int(dataset.labels[row]), dataset.splits[row]) for row in rows)
    return {
        name: {split: counts[label, split] for split in SPLITS} for label, name in enumerate(dataset.classes)
    }
