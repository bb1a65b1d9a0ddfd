"""`prepare`: the split laid out for use elsewhere."""

from __future__ import annotations

import os
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from mindle.api.check import require_classes, tell_findings
from mindle.artifacts.outputs import keep_apart
from mindle.data.reading import ReadingKeywords, ReadingOptions, takes_reading_options
from mindle.messages import message
from mindle.records import SILENT, Listener

if TYPE_CHECKING:
    from mindle.data.images.prepare import Prepared

Source = str | os.PathLike[str]


@takes_reading_options("target", "task", "separator", "header", "missing", "label_from", "per_class")
def prepare(
    data: Source,
    out: Source,
    *,
    layout: str | None = None,
    link: str = "copy",
    size: tuple[int, int] | None = None,
    split_seed: int = 0,
    listener: Listener = SILENT,
    **reading: Unpack[ReadingKeywords],
) -> Prepared:
    """Check and split the data as `train` does, and lay the split out for use elsewhere.

    Training on what is laid out gives the run that training on the original gives: the same classes, splits
    and order. The same call again goes on where it was interrupted.

    Args:
        data: What `train` takes.
        out: A new folder, or an `.npz` file.
        layout: "folders" for OUT/{train,val,test}/<class>/file, "npz" for one file with `data`, `targets`,
            `names`, `classes`, `split`, `groups` and `files`; inferred from `out`'s suffix unless set.
        link: How files get into folders: "copy", "hard" or "symbolic" (links to the originals).
        size: (height, width) of the images in an `.npz`; as they are unless set.
        split_seed: Seed of the split.
        listener: Receives messages and progress.
        **reading: How the data are read, see `ReadingOptions`.

    Returns:
        What was laid out, what was set aside and what failed.

    Raises:
        ValueError: If an argument is wrong, or `out` holds something else.
        DataError: If there is nothing to lay out.
        DeviceError: If the disk is full, read-only or cannot link.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     prepare("digits", Path(folder, "digits.npz")).counts["0"]
        {'train': 124, 'val': 27, 'test': 27}
    """
    from mindle import data as data_room
    from mindle.data.images.prepare import LAYOUTS, LINKS, lay_out_folders, lay_out_npz

    target = Path(out)
    if layout is None:
        layout = "npz" if target.suffix.lower() == ".npz" else "folders"
    for name, value, allowed in (("layout", layout, LAYOUTS), ("link", link, LINKS)):
        if value not in allowed:
            raise ValueError(f"`{name}` must be one of {', '.join(allowed)}. Received {name}={value!r}.")
    if layout == "npz" and target.suffix.lower() != ".npz":
        raise ValueError(f"`out` must end in .npz for layout 'npz'. Received {target}.")
    if layout == "npz" and link != "copy":
        raise ValueError(
            f"`link` is for folders; an .npz holds pixels. Received link={link!r}. Leave it out."
        )
    if size is not None and not (
        isinstance(size, (tuple, list)) and [isinstance(side, Integral) for side in size] == [True] * 2
    ):
        raise TypeError(f"`size` must be a height and a width, such as (180, 240). Received {size!r}.")
    if layout == "folders" and size is not None:
        raise ValueError("`size` is for an .npz; folders keep the files as they are. Leave it out.")

    options = ReadingOptions.of(reading, prepare)
    keep_apart({"out": out}, [data])
    dataset = options.read_images(data, split_seed=split_seed)
    require_classes(dataset, "What is laid out by class")
    checked = data_room.check(dataset, listener=listener)
    dataset = data_room.split(checked, seed=split_seed)
    tell_findings(dataset.findings, listener)
    settings = {"layout": layout, "split_seed": split_seed}
    prepared = (
        lay_out_folders(dataset, target, link=link, settings=settings, listener=listener)
        if layout == "folders"
        else lay_out_npz(dataset, target, size=size, settings=settings, listener=listener)
    )
    _tell(prepared, listener)
    return prepared


def _tell(prepared: Prepared, listener: Listener) -> None:
    """Say what lies where, and what does not."""
    totals = {
        split: sum(counted[split] for counted in prepared.counts.values())
        for split in ("train", "val", "test")
    }
    counts = [f"{split} {number:,}" for split, number in totals.items()]
    listener.say(
        message("images.prepared.written", path=str(prepared.path), counts=counts, n=prepared.written)
    )
    if prepared.set_aside:
        reasons = [f"{number:,} {reason}" for reason, number in prepared.set_aside.items()]
        listener.say(message("images.prepared.set-aside", reasons=reasons))
    for name, reason in prepared.failed.items():
        listener.say(message("images.prepared.failed", name=name, reason=reason))
    if prepared.renamed:
        listener.say(message("images.prepared.renamed", n=prepared.renamed))
    if prepared.unread_by_keras:
        first = prepared.unread_by_keras[0]
        listener.say(message("images.prepared.keras", n=len(prepared.unread_by_keras), first=first))
