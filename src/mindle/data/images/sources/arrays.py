"""Images that come as arrays: .npz files, idx files, CIFAR in both official layouts, and built-in names.

Everything becomes one uint8 array (image, height, width[, channel]). Single arrays that are stored plainly
stay on the disk, memory-mapped. No file is unpickled.
"""

from __future__ import annotations

import gzip
import itertools
import math
import re
import struct
import tomllib
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.arrays import read_header
from mindle.data.common.classes import sorted_classes
from mindle.data.common.findings import finding
from mindle.data.common.names import nfc, split_of
from mindle.data.common.tasks import asks_numbers, require_task
from mindle.data.images.sources.entries import Entries
from mindle.data.images.sources.plainpickle import read_plain_pickle
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import SPLITS, ArrayImages, Finding

BUILT_IN = ("digits",)
"""Names of data sets that come with an installed library and need no download."""

_KNOWN = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_NPZ: dict[str, Any] = _KNOWN["npz"]
_IDX_NAME = re.compile(r"(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte(\.gz)?", re.IGNORECASE)
_CIFAR_SIZE = 3 * 32 * 32
_CHUNK = 4096
_DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, RuntimeError, OverflowError),
    *(MemoryError, NotImplementedError, struct.error, zlib.error, zipfile.BadZipFile),
)


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One array of images with its labels, as one file or one pair of keys gives them; `where` names it."""

    given: str
    images: NDArray[Any]
    labels: NDArray[Any]
    where: str

    @property
    def is_column(self) -> bool:
        """Whether there is one value an image."""
        return self.labels.ndim == 1 or (self.labels.ndim == 2 and self.labels.shape[1] == 1)

    def require_one_each(self, labels: int) -> None:
        """Refuse another number of labels than of images."""
        if labels != len(self.images):
            raise DataError(
                f"Every image must have a label. Received {len(self.images):,} images and {labels:,} labels "
                f"in {self.where}. Save both again."
            )


def _entries(
    pieces: Sequence[_Piece],
    *,
    kind: str,
    names: Sequence[str] | None = None,
    task: str | None = "classification",
    columns: Mapping[str, Sequence[str]] | None = None,
) -> Entries:
    """Join pieces: pixels, class names or numbers, and splits; `columns` say more of each image."""
    findings: list[Finding] = []
    arrays = [to_pixels(piece.images, where=piece.where, findings=findings) for piece in pieces]
    said = columns or {}
    given = said.get("split") or [piece.given for piece in pieces for _ in range(len(piece.images))]
    counters = {split: itertools.count() for split in set(given)}  # several pieces can share a split
    found = Entries(
        kind=kind,
        images=ArrayImages(array=_joined(arrays, pieces)),
        paths=said.get("files") or [f"{split or 'data'}/{next(counters[split]):06d}" for split in given],
        given=given,
        groups=said.get("groups", ()),
        findings=findings,
    )
    if _are_numbers(pieces, names, task):
        return _with_numbers(found, pieces)
    labels, order = _label_names(pieces, names)
    return replace(found, labels=labels, order=order)


def _joined(arrays: list[NDArray[np.uint8]], pieces: Sequence[_Piece]) -> NDArray[np.uint8]:
    if len({array.shape[1:] for array in arrays}) > 1:
        sizes = ", ".join(
            f"{piece.where} {array.shape[1:]}" for piece, array in zip(pieces, arrays, strict=True)
        )
        raise DataError(
            f"All images of a data set of arrays must have one shape. Received {sizes}. Resize one part."
        )
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


# -------------------------------------------------------------------------------------- numbers and labels


def _are_numbers(pieces: Sequence[_Piece], names: Sequence[str] | None, task: str | None) -> bool:
    """Whether what stands beside the images are numbers to estimate: some have fractions, or it was said."""
    if task is not None:
        return asks_numbers(task)
    return names is None and any(
        piece.labels.dtype.kind == "f"
        and piece.is_column
        and (np.isfinite(piece.labels) & (piece.labels != np.rint(piece.labels))).any()
        for piece in pieces
    )


def _with_numbers(entries: Entries, pieces: Sequence[_Piece]) -> Entries:
    """The same with their numbers; images whose number is not finite are set aside."""
    for piece in pieces:
        if piece.labels.dtype.kind not in "iuf" or not piece.is_column:
            raise DataError(
                f"Numbers to estimate must be one number per image. Received {piece.where} with targets of "
                f"shape {piece.labels.shape} and type {piece.labels.dtype}. Save one column of floats, or "
                "take --task classification."
            )
        piece.require_one_each(len(piece.labels))
    targets = np.concatenate([piece.labels.ravel().astype(np.float64) for piece in pieces])  # (image,)
    finite = np.isfinite(targets)
    if not finite.any():
        raise DataError(
            f"Numbers to estimate must be finite for some images. Received {pieces[0].where} with none. "
            "Save it again."
        )
    findings = list(entries.findings)
    if not finite.all():
        wrong = np.flatnonzero(~finite).tolist()
        files = [entries.paths[row] for row in wrong]
        value = float(targets[wrong[0]])
        sentence = message("data.arrays.not-a-number", n=len(files), first=files[0], value=value)
        findings.append(finding("not-a-number", files, sentence))
    return replace(
        entries,
        targets=np.where(finite, targets, np.nan),
        target="target",
        set_aside=["" if known else "not-a-number" for known in finite.tolist()],
        findings=findings,
    )


def _label_names(pieces: Sequence[_Piece], names: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Class name of every image, and all class names in the order to keep."""
    flat = [_flat_labels(piece) for piece in pieces]
    for piece, labels in zip(pieces, flat, strict=True):
        piece.require_one_each(len(labels))
    numbered = all(labels.dtype.kind in "iu" for labels in flat)
    if names is not None and numbered:
        _require_names(names, flat, pieces)
        return [names[value] for labels in flat for value in labels.tolist()], list(names)
    texts = [nfc(_text(value)).strip() for labels in flat for value in labels.tolist()]
    order = list(names) if names is not None else sorted_classes(set(texts))
    if numbered:  # some may be negative
        order = sorted(set(texts), key=int)
    unknown = sorted(set(texts) - set(order))
    if unknown:
        raise DataError(
            f"Every label must be one of the class names. Received {unknown[0]!r}, which is not among "
            f"{', '.join(order[:12])}. Correct the names or the labels."
        )
    return texts, order


def _require_names(names: Sequence[str], flat: list[NDArray[Any]], pieces: Sequence[_Piece]) -> None:
    if len(set(names)) < len(names) or "" in names:
        raise DataError(
            f"Class names must be different and not empty. Received {', '.join(map(repr, names[:12]))}. "
            f"Rename them."
        )
    for piece, labels in zip(pieces, flat, strict=True):
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= len(names):
            raise DataError(
                f"Labels must lie in 0 to {len(names) - 1}, one number per class name. Received {low} to "
                f"{high} in {piece.where}. Correct the names or the labels."
            )


def _flat_labels(piece: _Piece) -> NDArray[Any]:
    """Labels as one axis of whole numbers or texts; one-hot rows become the column of their 1."""
    labels = piece.labels[:, 0] if piece.labels.ndim == 2 and piece.is_column else piece.labels
    if labels.ndim == 2 and labels.dtype.kind in "biuf":
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise DataError(
                f"Labels of several columns must be one-hot: a single 1 in every row. Received {piece.where} "
                f"with other values. Give one label per image."
            )
        columns: NDArray[np.int64] = labels.argmax(axis=1)  # (image,)
        return columns
    if labels.ndim != 1 or labels.dtype.kind not in "biufUS":
        raise DataError(
            f"Labels must be one whole number or text per image, or one-hot rows. Received {piece.where} "
            f"with labels of shape {labels.shape} and type {labels.dtype}. Convert them."
        )
    if labels.dtype.kind == "f" and not np.equal(labels, np.rint(labels)).all():
        raise DataError(
            f"Labels must be whole numbers or texts. Received {piece.where} with fractions, such as "
            f"{float(labels[labels != np.rint(labels)][0]):g}. Give one class per image."
        )
    return labels.astype(np.int64) if labels.dtype.kind in "bf" else labels


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


# ------------------------------------------------------------------------------------------------- pixels


def to_pixels(array: NDArray[Any], *, where: str, findings: list[Finding]) -> NDArray[np.uint8]:
    """Bring an array of images to uint8 (image, height, width[, channel]).

    Args:
        array: (image, height, width), or with 1, 3 or 4 channels last, or 1 or 3 channels second. Numbers of
            any type from 0 to 1 (floats and booleans), 0 to 255, or 0 to 65535 (16-bit integers).
        where: The array's name for messages.
        findings: Gets one finding where numbers were scaled or axes moved.

    Returns:
        The same array where it already is right, else a new one.

    Raises:
        DataError: If the shape or the numbers are not those of images.

    Example:
        >>> to_pixels(np.ones((2, 4, 4)), where="data", findings=[]).max()
        np.uint8(255)
    """
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise DataError(
            f"Images in an array must be (image, height, width) or (image, height, width, channel). Received "
            f"{where} with shape {array.shape}. Reshape it."
        )
    if array.ndim == 4 and array.shape[3] not in (1, 3, 4):
        if array.shape[1] not in (1, 3):
            raise DataError(
                f"Images in an array must have 1, 3 or 4 channels last. Received {where} with shape "
                f"{array.shape}. Move or drop channels."
            )
        array = array.transpose(0, 2, 3, 1)  # (image, height, width, channel)
        findings.append(
            finding("channels-first", [where], message("data.arrays.channels-first", where=where))
        )
    if array.dtype == np.uint8:
        return array
    factor, code = _scale(array, where)
    pixels = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), _CHUNK):
        some = array[start : start + _CHUNK].astype(np.float64)
        pixels[start : start + _CHUNK] = np.rint(some * factor)
    action = "rounded to whole numbers" if factor == 1 else ""
    sentence = message(code, where=where, dtype=str(array.dtype))
    findings.append(finding("scaled", [where], sentence, action=action))
    return pixels


# Kinds of numbers, their largest value, by what they are multiplied, and the sentence that says so.
_SCALES = (
    ("b", 1, 255.0, "scaled-boolean"),
    ("f", 1, 255.0, "scaled-unit"),
    ("iuf", 255, 1.0, "scaled-bytes"),
    ("iu", 65535, 255 / 65535, "scaled-words"),
)


def _scale(array: NDArray[Any], where: str) -> tuple[float, str]:
    """By what an array is multiplied to lie in 0 to 255, from its type and range; and what says so."""
    kind = array.dtype.kind
    if kind not in "biuf":
        raise DataError(
            f"Images in an array must be numbers. Received {where} of type {array.dtype}. Convert it to "
            f"uint8."
        )
    low, high = float(array.min()), float(array.max())  # NaN comes through, and fails every test below
    for kinds, most, factor, code in _SCALES:
        if kind in kinds and 0 <= low and high <= most:
            return factor, f"data.arrays.{code}"
    raise DataError(
        f"Images in an array must lie in 0 to 1 or 0 to 255, without gaps. Received {where} of type "
        f"{array.dtype} from {low:g} to {high:g}. Undo the normalisation, or scale it to 0 to 255."
    )


# ---------------------------------------------------------------------------------------------------- npz


def read_npz(file: Path, task: str | None = None) -> Entries:
    """Read an .npz file with images and labels, or images and numbers to estimate.

    Keys, in any case: `data, targets`; `image, label`; `images, labels`; `x, y`; or by split `x_train,
    y_train, x_test, y_test` (and `x_val, y_val`), also `train_images, train_labels` and so on. `names` or
    `classes` may give the class names. Beside one array of images, `split` may say train, val or test of
    each, `groups` what is related, and `files` what each is called. Labels are whole numbers, texts, or
    one-hot rows. Numbers with fractions, without class names, are numbers to estimate. Images are (image,
    height, width), with 1, 3 or 4 channels last, or 1 or 3 second; uint8, or numbers from 0 to 1 or 0 to 255,
    which are scaled.

    Args:
        file: The .npz file. A single uncompressed uint8 array is memory-mapped.
        task: "regression" or "classification" where the numbers do not say it: "regression" makes whole
            numbers numbers to estimate.

    Raises:
        DataError: If the file is damaged, holds Python objects, or holds no images and labels.
        ValueError: If `task` is none.
    """
    require_task(task)
    arrays = _Npz(file)
    pairs = _pairs(arrays)
    pieces = [
        _Piece(given=split, images=arrays[images], labels=arrays[labels], where=images)
        for split, (images, labels) in pairs.items()
    ]
    key = next((key for key in _NPZ["names"] if key in arrays.keys), None)
    return _entries(
        pieces,
        kind="npz",
        names=None if key is None else arrays.texts(key),
        task=task,
        columns=_columns(arrays, len(pieces[0].images)) if "" in pairs else None,
    )


class _Npz:
    """The arrays of an .npz file by their lower-case names, each read when it is asked for."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with _damaged(file), zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        self.keys = {member.filename[:-4].lower(): member for member in members}

    def texts(self, key: str) -> list[str]:
        """An array as texts."""
        return [nfc(_text(value)) for value in np.ravel(self[key]).tolist()]

    def __getitem__(self, key: str) -> NDArray[Any]:
        member = self.keys[key]
        with _damaged(self.file), zipfile.ZipFile(self.file) as archive, archive.open(member) as stream:
            shape, fortran, dtype = read_header(stream)
            if dtype.hasobject:
                raise DataError(
                    f"An .npz file must hold plain arrays. Received {str(self.file)!r}, where {key!r} holds "
                    f"Python objects; reading them could run code. Save it again with one type, such as "
                    f"uint8 or str."
                )
            offset = stream.tell()
        if member.compress_type == zipfile.ZIP_STORED and dtype == np.uint8 and 0 not in shape:
            return self._mapped(member, offset, shape, "F" if fortran else "C")
        with _damaged(self.file), np.load(self.file, allow_pickle=False) as arrays:
            loaded: NDArray[Any] = arrays[member.filename[:-4]]
            return loaded

    def _mapped(self, member: zipfile.ZipInfo, offset: int, shape: Any, order: Any) -> NDArray[Any]:
        """Map a member that lies in the file as it is, which np.load does not do for archives."""
        with _damaged(self.file):
            with self.file.open("rb") as stream:
                stream.seek(member.header_offset)
                name, extra = struct.unpack("<26x2H", stream.read(30))  # lengths in the local header
            start = member.header_offset + 30 + name + extra + offset
            return np.memmap(self.file, np.uint8, mode="r", offset=start, shape=shape, order=order)


@contextmanager
def _damaged(file: Path) -> Iterator[None]:
    """Turn what a damaged file makes a reader raise into a `DataError`."""
    try:
        yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__
        raise DataError(
            f"A data file must be complete and readable. Received {str(file)!r}, which is damaged "
            f"({reason}). Fetch or save it again."
        ) from error


def _pairs(arrays: _Npz) -> dict[str, tuple[str, str]]:
    """The keys of images and labels by split, in the order of splits; "" where one pair holds all."""
    pairs: dict[str, tuple[str, str]] = {}
    for images, labels in _NPZ["split_pairs"]:
        for word, split in _NPZ["splits"].items():
            pair = (images.format(word), labels.format(word))
            if set(pair) <= set(arrays.keys):
                pairs.setdefault(split, pair)
    if "train" in pairs:
        return {split: pairs[split] for split in SPLITS if split in pairs}
    whole = next((tuple(pair) for pair in _NPZ["pairs"] if set(pair) <= set(arrays.keys)), None)
    if whole is None:
        keys = ", ".join(sorted(arrays.keys)[:12]) or "no arrays"
        raise DataError(
            f"An .npz file must hold images and labels. Received {str(arrays.file)!r} with {keys}. It should "
            "hold data and targets, or image and label, or x_train, y_train, x_test and y_test; names gives "
            "class names."
        )
    return {"": whole}


def _columns(arrays: _Npz, count: int) -> dict[str, list[str]]:
    """What further arrays say of each image: its split, its group, its name."""
    columns: dict[str, list[str]] = {}
    for key in _NPZ["columns"]:
        if key not in arrays.keys or arrays[key].ndim != 1:
            continue
        columns[key] = arrays.texts(key)
        if len(columns[key]) != count:
            raise DataError(
                f"`{key}` in an .npz file must say something of every image. Received {len(columns[key]):,} "
                f"values for {count:,} images in {str(arrays.file)!r}. Save it again."
            )
    words = columns.get("split", [])
    if any(words):
        splits = {word: split_of(word) or "" for word in words}
        unknown = next((word for word, split in splits.items() if not split), None)
        if unknown is not None:
            raise DataError(
                f"`split` in an .npz file must say train, val or test of every image. Received {unknown!r} "
                f"in {str(arrays.file)!r}. Correct it, or remove `split`."
            )
        columns["split"] = [splits[word] for word in words]
    files = columns.get("files", [])
    if len(set(files)) < len(files) or "" in files:
        del columns["files"]
    return columns


# ---------------------------------------------------------------------------------------------------- idx


def is_idx(folder: Path) -> bool:
    """Whether a folder holds image files in the idx format of MNIST under their official names."""
    return any(match[2].lower() == "images" for match in _idx_files(folder))


def read_idx(folder: Path) -> Entries | None:
    """Read the idx files of MNIST and its kin: train and t10k, images and labels, gzipped or not.

    Classes are named by their numbers. None where the folder holds no such files.

    Args:
        folder: Holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same for `t10k`; the
            endings `.gz` and `.idx3-ubyte` are known.

    Raises:
        DataError: If labels are missing, files are damaged, or counts disagree.
    """
    if not is_idx(folder):
        return None
    files = {(match[1].lower(), match[2].lower()): folder / match[0] for match in _idx_files(folder)}
    pieces = []
    for word, given in (("train", "train"), ("t10k", "test"), ("test", "test")):
        images, labels = files.get((word, "images")), files.get((word, "labels"))
        if images is None and labels is None:
            continue
        if images is None or labels is None:
            raise DataError(
                f"Images and labels must come together. Received {str(images or labels)!r} alone. Put the "
                f"{'labels' if labels is None else 'images'} of {word!r} beside it."
            )
        pieces.append(_Piece(given=given, images=_idx(images, 3), labels=_idx(labels, 1), where=images.name))
    return _entries(pieces, kind="idx")


def _idx_files(folder: Path) -> list[re.Match[str]]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    # Backwards: where a file is there packed and unpacked, the caller takes the last, which can be mapped.
    return [match for name in reversed(names) if (match := _IDX_NAME.fullmatch(name))]


def _idx(file: Path, axes: int) -> NDArray[np.uint8]:
    """Read one idx file: two zeros, the type (8 is uint8), the number of axes, their lengths, the values.

    Source:
        "The IDX file format" on the page of the MNIST database, https://yann.lecun.com/exdb/mnist/
    """
    with _damaged(file):
        packed = file.suffix.lower() == ".gz"
        start, room = 4 + 4 * axes, file.stat().st_size
        with gzip.open(file) if packed else file.open("rb") as stream:
            if stream.read(4) != bytes((0, 0, 8, axes)):
                raise ValueError(f"it does not start as an idx file of uint8 with {axes} axes")
            shape = struct.unpack(f">{axes}I", stream.read(4 * axes))
            size = math.prod(shape)
            # Nothing is allocated that the file cannot hold; deflate packs at most 1,032 to 1.
            if size > room * (1032 if packed else 1):
                raise ValueError(f"its header speaks of {size:,} values, more than the file can hold")
            values = stream.read(size + 1) if packed else b""
        if (len(values) if packed else room - start) != size:
            raise ValueError(f"its header speaks of {size:,} values, and it has another number")
        if not packed:
            return np.memmap(file, np.uint8, mode="r", offset=start, shape=shape)
        return np.frombuffer(values, np.uint8).reshape(shape)  # (image, height, width) or (image,)


# -------------------------------------------------------------------------------------------------- CIFAR


@dataclass(frozen=True, kw_only=True)
class _Cifar:
    """An official layout: its files, and where labels and class names stand in them.

    Attributes:
        train, test, names: Names of files; those of train may be a pattern.
        label_bytes: Of each record of a binary file, the last of which is the label; 0 for pickles.
        label_key, name_key: Of pickles.
    """

    train: str
    test: str
    names: str
    label_bytes: int = 0
    label_key: str = ""
    name_key: str = ""

    def is_readable(self, file: Path) -> bool:
        """Whether a file is there that may be of this layout; pickles are known by their first byte."""
        if not file.is_file() or self.label_bytes:
            return file.is_file()
        with file.open("rb") as stream:
            return stream.read(1) == b"\x80"

    def piece(self, file: Path, split: str) -> _Piece:
        """The images and labels of a file."""
        rows, labels = self._records(file) if self.label_bytes else self._batch(file)
        images = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # (image, height, width, channel)
        return _Piece(given=split, images=images, labels=labels, where=file.name)

    def _records(self, file: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Records of label bytes (the last is the fine one) and planes of red, green and blue."""
        with _damaged(file):
            size = file.stat().st_size
            if size == 0 or size % (self.label_bytes + _CIFAR_SIZE):
                raise ValueError(f"{size:,} bytes are no whole number of records")
            records = np.memmap(file, np.uint8, mode="r").reshape(-1, self.label_bytes + _CIFAR_SIZE)
        return records[:, self.label_bytes :], np.array(records[:, self.label_bytes - 1])

    def _batch(self, file: Path) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        with _damaged(file):
            batch = _pickled(file)
            rows, labels = np.asarray(batch["data"]), np.asarray(batch[self.label_key])
            if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != _CIFAR_SIZE:
                raise ValueError(f"its data are {rows.dtype} of shape {rows.shape}")
        return rows, labels

    def class_names(self, folder: Path) -> list[str] | None:
        """The names of the classes, None where their file is missing or empty."""
        file = folder / self.names
        if not file.is_file():
            return None
        with _damaged(file):
            if self.name_key:
                return [nfc(_text(name)) for name in _pickled(file)[self.name_key]]
            lines = file.read_text(encoding="utf-8").splitlines()
        return [nfc(line.strip()) for line in lines if line.strip()] or None


_CIFAR = tuple(_Cifar(**layout) for layout in _KNOWN["cifar"])


def _cifar_layout(folder: Path) -> _Cifar | None:
    return next(
        (layout for layout in _CIFAR if layout.is_readable(folder / layout.train.replace("*", "1"))), None
    )


def is_cifar(folder: Path) -> bool:
    """Whether a folder holds CIFAR-10 or CIFAR-100 in an official layout."""
    return _cifar_layout(folder) is not None


def read_cifar(folder: Path) -> Entries | None:
    """Read CIFAR-10 or CIFAR-100 as their authors give them, binary or for Python.

    CIFAR-100 is read with its 100 fine labels. The files for Python are pickles; their data are read without
    running them. None where the folder holds neither of the two.

    Args:
        folder: Holds `data_batch_1.bin` …, or `train.bin`, or `data_batch_1` …, or `train` and `test`.

    Raises:
        DataError: If files are damaged, or a pickle asks for anything but data.
    """
    layout = _cifar_layout(folder)
    if layout is None:
        return None
    files = [("train", file) for file in sorted(folder.glob(layout.train))]
    files.append(("test", folder / layout.test))
    pieces = [layout.piece(file, split) for split, file in files if layout.is_readable(file)]
    return _entries(pieces, kind="cifar", names=layout.class_names(folder))


def _pickled(file: Path) -> Mapping[str, Any]:
    """A pickled dict, its keys as texts."""
    content = read_plain_pickle(file.read_bytes(), file=str(file))
    if not isinstance(content, dict):
        raise ValueError("it holds no dict")
    return {_text(key): value for key, value in content.items()}


# ----------------------------------------------------------------------------------------------- built in


def read_built_in(name: str) -> Entries:
    """Read a data set that comes with an installed library.

    Args:
        name: "digits": 1,797 handwritten digits, 8 x 8, of scikit-learn; values 0 to 16 are scaled to 0
            to 255.

    Raises:
        DataError: If there is no such name.

    Example:
        >>> entries = read_built_in("digits")
        >>> len(entries.paths), entries.order[:3], entries.images.array.shape
        (1797, ['0', '1', '2'], (1797, 8, 8))
    """
    if name not in BUILT_IN:
        raise DataError(f"There is no built-in data set {name!r}. Built in: {', '.join(BUILT_IN)}.")
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    images = np.round(np.asarray(bunch.images) * (255 / 16)).astype(np.uint8)  # (image, height, width)
    piece = _Piece(given="", images=images, labels=np.asarray(bunch.target), where=name)
    return _entries([piece], kind="builtin")
