"""Data: from whatever holds images or rows to checked, split values; the user's files are only read."""

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
from mindle.data.tables.checks import check_table as check_table
from mindle.data.tables.columns import Features as Features
from mindle.data.tables.columns import describe_columns as describe_columns
from mindle.data.tables.columns import features as features
from mindle.data.tables.reader import is_table as is_table
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
