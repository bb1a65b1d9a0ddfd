"""Data: from whatever holds images to checked, split, decoded pixels; the user's files are only read."""

from mindle.data.checks import check as check
from mindle.data.decode import UndecodableImage as UndecodableImage
from mindle.data.decode import decode as decode
from mindle.data.decode import examine as examine
from mindle.data.pixels import Pixels as Pixels
from mindle.data.pixels import pixels as pixels
from mindle.data.sources import load as load
from mindle.data.sources import read as read
from mindle.data.sources import read_images as read_images
from mindle.data.sources import typical_size as typical_size
from mindle.data.splits import split as split
from mindle.data.store import RowStore as RowStore
from mindle.data.store import cache_dir as cache_dir

__all__ = [
    "Pixels",
    "RowStore",
    "UndecodableImage",
    "cache_dir",
    "check",
    "decode",
    "examine",
    "load",
    "pixels",
    "read",
    "read_images",
    "split",
    "typical_size",
]
