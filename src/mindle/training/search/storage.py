"""Where a study is stored: a database that several processes, on one machine or many, can use at once."""

from __future__ import annotations

import sqlite3
import warnings
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError

from mindle.errors import DeviceError

# How often a worker shows other machines that it is alive, and after which silence they take it for dead.
HEARTBEAT_SECONDS, GRACE_SECONDS = 15, 120


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """The storage behind a URL; one that is no file of this machine has a heartbeat.

    Raises:
        ValueError: If it is no URL of a database.
        DeviceError: If it cannot be reached, or its driver is not installed.
    """
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError as error:
        raise ValueError(
            "`storage` must be the URL of a database, such as sqlite:///search.db or "
            f"postgresql://user@host/base. Received {url!r}."
        ) from error
    settings: dict[str, Any] = {"heartbeat_interval": HEARTBEAT_SECONDS, "grace_period": GRACE_SECONDS}
    if parsed.get_backend_name() == "sqlite":
        settings = {"engine_kwargs": {"creator": lambda: _sqlite(str(parsed.database or ":memory:"))}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # of the heartbeat
            return optuna.storages.RDBStorage(url, **settings)
    except ImportError as error:
        raise DeviceError(
            f"The storage {without_password(url)} needs its driver ({error}). For PostgreSQL: "
            "`pip install 'psycopg[binary]'`."
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, StorageInternalError) as error:
        reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        raise DeviceError(
            f"The storage {without_password(url)} must be one that can be opened. Received: {reason}."
        ) from error


def _sqlite(path: str) -> sqlite3.Connection:
    """A connection that several processes can use at once.

    A commit reaches the disk's cache, not the platter: it outlives the process, and costs a tenth.
    """
    connection = sqlite3.connect(path, timeout=60.0, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def without_password(url: str) -> str:
    """A URL without its password.

    Example:
        >>> without_password("postgresql://me:secret@here/base")
        'postgresql://me:***@here/base'
    """
    return sqlalchemy.make_url(url).render_as_string(hide_password=True)
