"""Data: from whatever holds images or rows to checked, split values; the user's files are only read."""

from mindle.data.common.splits import split as split
from mindle.data.common.store import RowStore as RowStore
from mindle.data.common.store import cache_dir as cache_dir
from mindle.data.images.checks import check as check
from mindle.data.images.decoding.decode import UndecodableImage as UndecodableImage
from mindle.data.images.decoding.decode import decode as decode
from mindle.data.images.decoding.decode import examine as examine
from mindle.data.images.pixels import Pixels as Pixels
from mindle.data.images.pixels import pixels as pixels
from mindle.data.images.sources.source import load as load
from mindle.data.images.sources.source import read as read
from mindle.data.images.sources.source import read_images as read_images
from mindle.data.images.sources.source import typical_size as typical_size
from mindle.data.reading import is_table as is_table
from mindle.data.tables.checks import check_table as check_table
from mindle.data.tables.parsing.columns import Features as Features
from mindle.data.tables.parsing.columns import describe_columns as describe_columns
from mindle.data.tables.parsing.columns import features as features
from mindle.data.tables.reader import read_table as read_table
from mindle.data.tables.rows import Rows as Rows
from mindle.data.tables.rows import read_rows as read_rows
from mindle.data.tables.splits import folds as folds
from mindle.data.tables.splits import split_table as split_table
from mindle.data.tables.summary import describe_table as describe_table
from mindle.data.tables.summary import ready_table as ready_table
from mindle.data.tables.summary import require_learnable_table as require_learnable_table

__all__ = [
    "Features",
    "Pixels",
    "RowStore",
    "Rows",
    "UndecodableImage",
    "cache_dir",
    "check",
    "check_table",
    "decode",
    "describe_columns",
    "describe_table",
    "examine",
    "features",
    "folds",
    "is_table",
    "load",
    "pixels",
    "read",
    "read_images",
    "read_rows",
    "read_table",
    "ready_table",
    "require_learnable_table",
    "split",
    "split_table",
    "typical_size",
]
