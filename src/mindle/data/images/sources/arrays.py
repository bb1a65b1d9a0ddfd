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
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.classes import Columns, settle_classes, settle_given, sorted_classes
from mindle.data.common.names import nfc, part_of
from mindle.data.common.tasks import asks_numbers, require_task
from mindle.data.images.sources.plainpickle import read_plain_pickle
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import ArrayImages, Dataset, Finding

BUILT_IN = ("digits",)
"""Names of data sets that come with an installed library and need no download."""

_PAIRS = (
    ("data", "targets"),
    ("data", "target"),
    ("data", "labels"),
    ("image", "label"),
    ("images", "labels"),
    ("x", "y"),
)
_PART_PAIRS = (("x_{}", "y_{}"), ("{}_images", "{}_labels"))
_NPZ_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_NAME_KEYS = ("names", "classes", "class_names")
_NPZ_HELP = (
    "It should hold data and targets, or image and label, or x_train, y_train, x_test and y_test; names "
    "gives class names."
)

_IDX_NAME = re.compile(r"(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte(\.gz)?", re.IGNORECASE)
_CIFAR_SIZE = 3 * 32 * 32
_CHUNK = 4096
_DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, RuntimeError, OverflowError),
    *(MemoryError, NotImplementedError, struct.error, zlib.error, zipfile.BadZipFile),
)


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One array of images with its labels, as one file or one pair of keys gives them.

    `parts`, `groups` and `files` say of each row which part of a split it belongs to, what it is related
    to, and what it is called; None where the data do not say.
    """

    given: str
    images: NDArray[Any]
    labels: NDArray[Any]
    where: str
    parts: list[str] | None = None
    groups: list[str] | None = None
    files: list[str] | None = None


def read_npz(file: Path, *, name: str, source: str, task: str | None = None) -> Dataset:
    """Read an .npz file with images and labels, or images and numbers to estimate.

    Keys, in any case: `data, targets`; `image, label`; `images, labels`; `x, y`; or by part `x_train,
    y_train, x_test, y_test` (and `x_val, y_val`), also `train_images, train_labels` and so on. `names` or
    `classes` may give the class names. Beside one array of images, `split` may say train, val or test of
    each, `groups` what is related, and `files` what each is called. Labels are whole numbers, texts, or
    one-hot rows. Numbers with fractions, without class names, are numbers to estimate. Images are (image,
    height, width), with 1, 3 or 4 channels last, or 1 or 3 second; uint8, or numbers from 0 to 1 or 0 to 255,
    which are scaled.

    Args:
        file: The .npz file. A single uncompressed uint8 array is memory-mapped.
        name: Short name of the data set.
        source: What the user typed.
        task: "regression" or "classification" where the numbers do not say it: "regression" makes whole
            numbers numbers to estimate.

    Raises:
        DataError: If the file is damaged, holds Python objects, or holds no images and labels.
        ValueError: If `task` is none.
    """
    require_task(task)
    arrays = _Npz(file)
    pieces = _npz_pieces(arrays, file)
    key = next((key for key in _NAME_KEYS if key in arrays.keys), None)
    names = None if key is None else [nfc(_text(value)) for value in np.ravel(arrays[key]).tolist()]
    return _dataset(pieces, names=names, name=name, kind="npz", source=source, task=task)


def is_idx(folder: Path) -> bool:
    """Whether a folder holds image files in the idx format of MNIST under their official names."""
    return any(match[2].lower() == "images" for match in _idx_files(folder))


def read_idx(folder: Path, *, name: str, source: str) -> Dataset:
    """Read the idx files of MNIST and its kin: train and t10k, images and labels, gzipped or not.

    Classes are named by their numbers.

    Args:
        folder: Holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same for `t10k`; the
            endings `.gz` and `.idx3-ubyte` are known.
        name: Short name of the data set.
        source: What the user typed.

    Raises:
        DataError: If labels are missing, files are damaged, or counts disagree.
    """
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
    return _dataset(pieces, names=None, name=name, kind="idx", source=source)


def is_cifar(folder: Path) -> bool:
    """Whether a folder holds CIFAR-10 or CIFAR-100 in an official layout."""
    return _cifar_layout(folder) is not None


def read_cifar(folder: Path, *, name: str, source: str) -> Dataset:
    """Read CIFAR-10 or CIFAR-100 as their authors give them, binary or for Python.

    CIFAR-100 is read with its 100 fine labels. The files for Python are pickles; their data are read without
    running them.

    Args:
        folder: Holds `data_batch_1.bin` …, or `train.bin`, or `data_batch_1` …, or `train` and `test`.
        name: Short name of the data set.
        source: What the user typed.

    Raises:
        DataError: If files are damaged, or a pickle asks for anything but data.
    """
    layout = _cifar_layout(folder)
    if layout is None:
        raise DataError(
            f"CIFAR must come in an official layout. Received {str(folder)!r} without data_batch_1 or train "
            f"files. Give the folder that holds them."
        )
    pieces, names = layout(folder)
    return _dataset(pieces, names=names, name=name, kind="cifar", source=source)


def read_built_in(name: str) -> Dataset:
    """Read a data set that comes with an installed library.

    Args:
        name: "digits": 1,797 handwritten digits, 8 x 8, of scikit-learn; values 0 to 16 are scaled to 0
            to 255.

    Raises:
        DataError: If there is no such name.

    Example:
        >>> dataset = read_built_in("digits")
        >>> len(dataset), dataset.classes[:3], dataset.images.array.shape
        (1797, ('0', '1', '2'), (1797, 8, 8))
    """
    if name not in BUILT_IN:
        raise DataError(f"There is no built-in data set {name!r}. Built in: {', '.join(BUILT_IN)}.")
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    images = np.round(np.asarray(bunch.images) * (255 / 16)).astype(np.uint8)  # (image, height, width)
    piece = _Piece(given="", images=images, labels=np.asarray(bunch.target), where=name)
    return _dataset([piece], names=None, name=name, kind="builtin", source=name)


def _dataset(
    pieces: Sequence[_Piece],
    *,
    names: Sequence[str] | None,
    name: str,
    kind: str,
    source: str,
    task: str | None = "classification",
) -> Dataset:
    """Join pieces into one data set: pixels, class names or numbers, split and findings."""
    findings: list[Finding] = []
    images = _joined(
        [to_pixels(piece.images, where=piece.where, findings=findings) for piece in pieces], pieces
    )
    parts = [part for piece in pieces for part in piece.parts or [piece.given] * len(piece.images)]
    counters = {part: itertools.count() for part in set(parts)}  # several pieces can share a part
    paths = tuple(f"{part or 'data'}/{next(counters[part]):06d}" for part in parts)
    if pieces[0].files is not None:
        paths = tuple(pieces[0].files)
    groups = tuple(group for piece in pieces for group in piece.groups or [""] * len(piece.images))
    given, held_out = settle_given(parts)
    made = Dataset(
        name=name,
        kind=kind,
        source=source,
        classes=(),
        paths=paths,
        labels=np.full(len(paths), -1, np.int64),
        given=tuple(given),
        groups=groups,
        images=ArrayImages(array=images),
        set_aside=("",) * len(paths),
        findings=(*findings, *held_out),
    )
    if _tells_numbers(pieces, names, task):
        return _with_numbers(made, pieces)
    labels, order = _label_names(pieces, names)
    columns = Columns(paths=paths, labels=labels, given=given, set_aside=[""] * len(paths))
    classes, indices, set_aside, told = settle_classes(columns, order=order)
    return replace(
        made,
        classes=classes,
        labels=indices,
        set_aside=tuple(set_aside),
        findings=(*made.findings, *told),
    )


def _tells_numbers(pieces: Sequence[_Piece], names: Sequence[str] | None, task: str | None) -> bool:
    """Whether what stands beside the images are numbers to estimate: some have fractions, or it was said."""
    if task is not None:
        return asks_numbers(task)
    return names is None and any(
        piece.labels.dtype.kind == "f" and _is_column(piece.labels) and _fractions(piece.labels).any()
        for piece in pieces
    )


def _is_column(labels: NDArray[Any]) -> bool:
    return labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1)


def _fractions(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Which numbers are finite and not whole."""
    found: NDArray[np.bool_] = np.isfinite(labels) & (labels != np.rint(labels))
    return found


def _with_numbers(dataset: Dataset, pieces: Sequence[_Piece]) -> Dataset:
    """The data set with its numbers; images whose number is not finite are set aside."""
    for piece in pieces:
        if piece.labels.dtype.kind not in "iuf" or not _is_column(piece.labels):
            raise DataError(
                f"Numbers to estimate must be one number per image. Received {piece.where} with targets of "
                f"shape {piece.labels.shape} and type {piece.labels.dtype}. Save one column of floats, or "
                "take --task classification."
            )
        _require_one_each(piece, len(piece.labels))
    targets = np.concatenate([piece.labels.ravel().astype(np.float64) for piece in pieces])  # (image,)
    wrong = np.flatnonzero(~np.isfinite(targets))
    if len(wrong) == len(targets):
        raise DataError(
            f"Numbers to estimate must be finite for some images. Received {dataset.source!r} with none. "
            "Save it again."
        )
    found = []
    if len(wrong):
        files = tuple(dataset.paths[row] for row in wrong.tolist())
        sentence = message(
            "data.arrays.not-a-number", n=len(files), first=files[0], value=float(targets[wrong[0]])
        )
        found = [
            Finding(kind="not-a-number", files=files, message=sentence, action="set aside", decision=True)
        ]
    return replace(
        dataset,
        targets=np.where(np.isfinite(targets), targets, np.nan),
        target="target",
        set_aside=tuple("" if finite else "not-a-number" for finite in np.isfinite(targets)),
        findings=(*dataset.findings, *found),
    )


def _joined(arrays: list[NDArray[np.uint8]], pieces: Sequence[_Piece]) -> NDArray[np.uint8]:
    if len(arrays) == 1:
        return arrays[0]
    if len({array.shape[1:] for array in arrays}) > 1:
        sizes = ", ".join(
            f"{piece.where} {array.shape[1:]}" for piece, array in zip(pieces, arrays, strict=True)
        )
        raise DataError(
            f"All images of a data set of arrays must have one shape. Received {sizes}. Resize one part."
        )
    return np.concatenate(arrays)


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
            Finding(
                kind="channels-first",
                files=(where,),
                message=message("data.arrays.channels-first", where=where),
                action="moved last",
            )
        )
    if array.dtype == np.uint8:
        return array
    factor, code = _scale(array, where)
    pixels = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), _CHUNK):
        part = array[start : start + _CHUNK].astype(np.float64)
        pixels[start : start + _CHUNK] = np.rint(part * factor)
    findings.append(
        Finding(
            kind="scaled",
            files=(where,),
            message=message(code, where=where, dtype=str(array.dtype)),
            action="rounded to whole numbers" if factor == 1 else "scaled to 0 to 255",
        )
    )
    return pixels


def _scale(array: NDArray[Any], where: str) -> tuple[float, str]:
    """By what an array is multiplied to lie in 0 to 255, from its type and range; and what says so."""
    kind = array.dtype.kind
    if kind not in "biuf":
        raise DataError(
            f"Images in an array must be numbers. Received {where} of type {array.dtype}. Convert it to "
            f"uint8."
        )
    if kind == "b":
        return 255.0, "data.arrays.scaled-boolean"
    low, high = float(array.min()), float(array.max())  # NaN comes through, and fails every test below
    if kind == "f" and 0 <= low and high <= 1:
        return 255.0, "data.arrays.scaled-unit"
    if 0 <= low and high <= 255:
        return 1.0, "data.arrays.scaled-bytes"
    if kind in "iu" and 0 <= low and high <= 65535:
        return 255 / 65535, "data.arrays.scaled-words"
    raise DataError(
        f"Images in an array must lie in 0 to 1 or 0 to 255, without gaps. Received {where} of type "
        f"{array.dtype} from {low:g} to {high:g}. Undo the normalisation, or scale it to 0 to 255."
    )


def _label_names(pieces: Sequence[_Piece], names: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Class name of every row, and all class names in the order to keep."""
    flat = [_flat_labels(piece) for piece in pieces]
    for piece, labels in zip(pieces, flat, strict=True):
        _require_one_each(piece, len(labels))
    if names is not None and all(labels.dtype.kind in "iu" for labels in flat):
        return _named_labels(flat, pieces, names), list(names)
    texts = [nfc(_text(value)).strip() for labels in flat for value in labels.tolist()]
    order = sorted_classes(set(texts)) if names is None else list(names)
    if all(labels.dtype.kind in "iu" for labels in flat):
        order = sorted(set(texts), key=int)
    unknown = sorted(set(texts) - set(order))
    if unknown:
        raise DataError(
            f"Every label must be one of the class names. Received {unknown[0]!r}, which is not among "
            f"{', '.join(order[:12])}. Correct the names or the labels."
        )
    return texts, order


def _require_one_each(piece: _Piece, labels: int) -> None:
    if labels != len(piece.images):
        raise DataError(
            f"Every image must have a label. Received {len(piece.images):,} images and {labels:,} labels in "
            f"{piece.where}. Save both again."
        )


def _named_labels(flat: list[NDArray[Any]], pieces: Sequence[_Piece], names: Sequence[str]) -> list[str]:
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
    return [names[value] for labels in flat for value in labels.tolist()]


def _flat_labels(piece: _Piece) -> NDArray[Any]:
    """Labels as one axis of whole numbers or texts; one-hot rows become the column of their 1."""
    labels = piece.labels
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
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
    if labels.dtype.kind == "f":
        if not np.equal(labels, np.rint(labels)).all():
            raise DataError(
                f"Labels must be whole numbers or texts. Received {piece.where} with fractions, such as "
                f"{float(labels[labels != np.rint(labels)][0]):g}. Give one class per image."
            )
        return labels.astype(np.int64)
    return labels.astype(np.int64) if labels.dtype.kind == "b" else labels


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class _Npz:
    """The arrays of an .npz file by their lower-case names, each read when it is asked for."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with _damaged(file), zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        self.keys = {member.filename[:-4].lower(): member for member in members}

    def __getitem__(self, key: str) -> NDArray[Any]:
        member = self.keys[key]
        with _damaged(self.file), zipfile.ZipFile(self.file) as archive, archive.open(member) as stream:
            shape, fortran, dtype = _npy_header(stream)
            if dtype.hasobject:
                raise DataError(
                    f"An .npz file must hold plain arrays. Received {str(self.file)!r}, where {key!r} holds "
                    f"Python objects; reading them could run code. Save it again with one type, such as "
                    f"uint8 or str."
                )
            offset = stream.tell()
        if member.compress_type == zipfile.ZIP_STORED and dtype == np.uint8 and 0 not in shape:
            return self._mapped(member, offset, shape, fortran)
        with _damaged(self.file), np.load(self.file, allow_pickle=False) as arrays:
            loaded: NDArray[Any] = arrays[member.filename[:-4]]
            return loaded

    def _mapped(
        self, member: zipfile.ZipInfo, offset: int, shape: tuple[int, ...], fortran: bool
    ) -> NDArray[Any]:
        """Map a member that lies in the file as it is, which np.load does not do for archives."""
        with _damaged(self.file):
            with self.file.open("rb") as stream:
                stream.seek(member.header_offset)
                name, extra = struct.unpack("<26x2H", stream.read(30))  # lengths in the local header
            start = member.header_offset + 30 + name + extra + offset
            return np.memmap(
                self.file, np.uint8, mode="r", offset=start, shape=shape, order="F" if fortran else "C"
            )


def _npy_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    return shape, fortran, dtype


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


def _npz_pieces(arrays: _Npz, file: Path) -> list[_Piece]:
    """The pairs of images and labels that the keys of an .npz file name."""
    pairs: dict[str, tuple[str, str]] = {}
    for images, labels in _PART_PAIRS:
        for word, part in _NPZ_PARTS.items():
            pair = (images.format(word), labels.format(word))
            if set(pair) <= set(arrays.keys):
                pairs.setdefault(part, pair)
    if "train" not in pairs:
        whole = next((pair for pair in _PAIRS if set(pair) <= set(arrays.keys)), None)
        pairs = {} if whole is None else {"": whole}
    if not pairs:
        keys = ", ".join(sorted(arrays.keys)[:12]) or "no arrays"
        raise DataError(
            f"An .npz file must hold images and labels. Received {str(file)!r} with {keys}. {_NPZ_HELP}"
        )
    if "" in pairs:
        images, labels = pairs[""]
        return [_whole_piece(arrays, images, labels, file)]
    order = sorted(pairs, key=["train", "val", "test"].index)
    return [
        _Piece(given=part, images=arrays[pairs[part][0]], labels=arrays[pairs[part][1]], where=pairs[part][0])
        for part in order
    ]


def _whole_piece(arrays: _Npz, images: str, labels: str, file: Path) -> _Piece:
    """One array of images, and what further columns say of each."""
    piece = _Piece(given="", images=arrays[images], labels=arrays[labels], where=images)
    columns: dict[str, list[str]] = {}
    for key in ("split", "groups", "files"):
        if key not in arrays.keys or arrays[key].ndim != 1:
            continue
        columns[key] = [nfc(_text(value)) for value in arrays[key].tolist()]
        if len(columns[key]) != len(piece.images):
            raise DataError(
                f"`{key}` in an .npz file must say something of every image. Received {len(columns[key]):,} "
                f"values for {len(piece.images):,} images in {str(file)!r}. Save it again."
            )
    parts = columns.get("split")
    if parts is not None and any(parts):
        words = {word: part_of(word) for word in parts}
        unknown = next((word for word, part in words.items() if part is None), None)
        if unknown is not None:
            raise DataError(
                f"`split` in an .npz file must say train, val or test of every image. Received {unknown!r} "
                f"in {str(file)!r}. Correct it, or leave `split` out."
            )
        parts = [str(words[word]) for word in parts]
    files = columns.get("files")
    distinct = files is not None and len(set(files)) == len(files) and "" not in files
    return replace(
        piece,
        parts=parts,
        groups=columns.get("groups"),
        files=files if distinct else None,
    )


def _idx_files(folder: Path) -> list[re.Match[str]]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    # Backwards: where a file is there packed and unpacked, the caller keeps the last, which can be mapped.
    return [match for name in reversed(names) if (match := _IDX_NAME.fullmatch(name))]


def _idx(file: Path, axes: int) -> NDArray[np.uint8]:
    """Read one idx file: two zeros, the type (8 is uint8), the number of axes, their lengths, the values.

    Source:
        "The IDX file format" on the page of the MNIST database, https://yann.lecun.com/exdb/mnist/
    """
    with _damaged(file):
        packed = file.suffix.lower() == ".gz"
        with gzip.open(file) if packed else file.open("rb") as stream:
            magic = stream.read(4)
            if magic != bytes((0, 0, 8, axes)):
                raise ValueError(f"it does not start as an idx file of uint8 with {axes} axes")
            shape = struct.unpack(f">{axes}I", stream.read(4 * axes))
            size = math.prod(shape)
            # Nothing is allocated that the file cannot hold; deflate packs at most 1,032 to 1.
            if size > file.stat().st_size * (1032 if packed else 1):
                raise ValueError(f"its header speaks of {size:,} values, more than the file can hold")
            values = stream.read(size + 1) if packed else b""
        if not packed:
            if file.stat().st_size != 4 + 4 * axes + size:
                raise ValueError(f"its header speaks of {size:,} values, and it has another number")
            return np.memmap(file, np.uint8, mode="r", offset=4 + 4 * axes, shape=shape)
        if len(values) != size:
            raise ValueError(f"its header speaks of {size:,} values, and it has another number")
        return np.frombuffer(values, np.uint8).reshape(shape)  # (image, height, width) or (image,)


_Layout = Callable[[Path], tuple[list[_Piece], "list[str] | None"]]


def _cifar_layout(folder: Path) -> _Layout | None:
    """Which reader takes the files of a folder; pickles are told by their first byte."""
    if (folder / "data_batch_1.bin").is_file():
        return _cifar10_binary
    if (folder / "train.bin").is_file():
        return _cifar100_binary
    if _is_pickle(folder / "data_batch_1"):
        return _cifar10_python
    return _cifar100_python if _is_pickle(folder / "train") else None


def _is_pickle(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return stream.read(1) == b"\x80"


def _cifar10_binary(folder: Path) -> tuple[list[_Piece], list[str] | None]:
    files = [("train", file) for file in sorted(folder.glob("data_batch_*.bin"))]
    files += [("test", folder / "test_batch.bin")] if (folder / "test_batch.bin").is_file() else []
    return [_cifar_records(file, part, labels=1) for part, file in files], _lines(folder / "batches.meta.txt")


def _cifar100_binary(folder: Path) -> tuple[list[_Piece], list[str] | None]:
    files = [(part, folder / f"{part}.bin") for part in ("train", "test")]
    pieces = [_cifar_records(file, part, labels=2) for part, file in files if file.is_file()]
    return pieces, _lines(folder / "fine_label_names.txt")


def _cifar_records(file: Path, part: str, *, labels: int) -> _Piece:
    """Records of one or two label bytes (the last is the fine one) and planes of red, green and blue."""
    with _damaged(file):
        size = file.stat().st_size
        if size == 0 or size % (labels + _CIFAR_SIZE):
            raise ValueError(f"{size:,} bytes are no whole number of records")
        records = np.memmap(file, np.uint8, mode="r").reshape(-1, labels + _CIFAR_SIZE)
    return _Piece(
        given=part,
        images=_cifar_images(records[:, labels:]),
        labels=np.array(records[:, labels - 1]),
        where=file.name,
    )


def _cifar_images(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # (image, height, width, channel)


def _lines(file: Path) -> list[str] | None:
    if not file.is_file():
        return None
    with _damaged(file):
        text = file.read_text(encoding="utf-8")
    return [nfc(line.strip()) for line in text.splitlines() if line.strip()] or None


def _cifar10_python(folder: Path) -> tuple[list[_Piece], list[str] | None]:
    files = [("train", file) for file in sorted(folder.glob("data_batch_*")) if _is_pickle(file)]
    files += [("test", folder / "test_batch")] if _is_pickle(folder / "test_batch") else []
    pieces = [_cifar_batch(file, part, "labels") for part, file in files]
    return pieces, _pickled_names(folder / "batches.meta", "label_names")


def _cifar100_python(folder: Path) -> tuple[list[_Piece], list[str] | None]:
    files = [(part, folder / part) for part in ("train", "test")]
    pieces = [_cifar_batch(file, part, "fine_labels") for part, file in files if _is_pickle(file)]
    return pieces, _pickled_names(folder / "meta", "fine_label_names")


def _cifar_batch(file: Path, part: str, key: str) -> _Piece:
    batch = _pickled(file)
    with _damaged(file):
        rows, labels = np.asarray(batch["data"]), np.asarray(batch[key])
        if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != _CIFAR_SIZE:
            raise ValueError(f"its data are {rows.dtype} of shape {rows.shape}")
    return _Piece(given=part, images=_cifar_images(rows), labels=labels, where=file.name)


def _pickled_names(file: Path, key: str) -> list[str] | None:
    if not file.is_file():
        return None
    with _damaged(file):
        return [nfc(_text(name)) for name in _pickled(file)[key]]


def _pickled(file: Path) -> Mapping[str, Any]:
    """A pickled dict, its keys as texts."""
    with _damaged(file):
        content = read_plain_pickle(file.read_bytes(), file=str(file))
        if not isinstance(content, dict):
            raise ValueError("it holds no dict")
    return {_text(key): value for key, value in content.items()}
