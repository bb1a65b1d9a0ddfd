"""Data: from whatever holds images or rows to checked, split values; the user's files are only read."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mindle.data.common.splits import split as split
    from mindle.data.images.checks import check as check
    from mindle.data.images.decoding.decode import decode as decode
    from mindle.data.images.pixels import Pixels as Pixels
    from mindle.data.images.pixels import pixels as pixels
    from mindle.data.images.sources.pictures import load as load
    from mindle.data.images.sources.pictures import read_images as read_images
    from mindle.data.images.sources.pictures import typical_size as typical_size
    from mindle.data.images.sources.source import read as read
    from mindle.data.tables.checks import check_table as check_table
    from mindle.data.tables.parsing.columns import Features as Features
    from mindle.data.tables.parsing.columns import features as features
    from mindle.data.tables.reader import read_table as read_table
    from mindle.data.tables.rows import read_rows as read_rows
    from mindle.data.tables.splits import folds as folds
    from mindle.data.tables.splits import split_table as split_table
    from mindle.data.tables.summary import describe_table as describe_table

_MODULES = {
    "Features": "mindle.data.tables.parsing.columns",
    "Pixels": "mindle.data.images.pixels",
    "check": "mindle.data.images.checks",
    "check_table": "mindle.data.tables.checks",
    "decode": "mindle.data.images.decoding.decode",
    "describe_table": "mindle.data.tables.summary",
    "features": "mindle.data.tables.parsing.columns",
    "folds": "mindle.data.tables.splits",
    "load": "mindle.data.images.sources.pictures",
    "pixels": "mindle.data.images.pixels",
    "read": "mindle.data.images.sources.source",
    "read_images": "mindle.data.images.sources.pictures",
    "read_rows": "mindle.data.tables.rows",
    "read_table": "mindle.data.tables.reader",
    "split": "mindle.data.common.splits",
    "split_table": "mindle.data.tables.splits",
    "typical_size": "mindle.data.images.sources.pictures",
}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is first used, so that help and the options of reading stay light."""
    if name not in _MODULES:
        raise AttributeError(f"module 'mindle.data' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
