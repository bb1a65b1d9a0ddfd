"""How a user says that data are to be read: one record for every command and call that reads them."""

from __future__ import annotations

import difflib
import inspect
import os
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

if TYPE_CHECKING:
    from mindle.records import Dataset, Table


Call = TypeVar("Call", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class OptionRecord:
    """What calls and commands show of one option.

    Attributes:
        about: "rows" of a table, "images", or "both".
        help: What it means, for `--help` and for the docstring of a call.
        metavar: What stands for its value in `--help`.
        flag: How a command spells it, where that is not its name.
        form: How a command takes it: as "text", a "number", "names" with commas between them, or, repeatedly,
            as a "list" or as "pairs".
        example: A value of the form "pairs".
    """

    about: Literal["rows", "images", "both"]
    help: str
    metavar: str
    flag: str | None = None
    form: Literal["text", "number", "names", "list", "pairs"] = "text"
    example: str = ""


def _option(default: Any = None, **record: Any) -> Any:
    return field(default=default, metadata={"record": OptionRecord(**record)})


class ReadingKeywords(TypedDict, total=False):
    """The options as keywords of public calls; `ReadingOptions` says what each means."""

    target: str | int | None
    task: str | None
    columns: Sequence[str]
    kinds: Mapping[str, str] | None
    group: str | int | None
    time: str | int | None
    ids: Sequence[str | int]
    separator: str | None
    header: int | None
    missing: str | Sequence[str] | None
    label_from: str | None
    per_class: str | int | Mapping[str, int] | None


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """What a user may say about data besides where they are; the record of each field says what it means.

    Example:
        >>> ReadingOptions().read("wine").task
        'multiclass'
    """

    target: str | int | None = _option(
        about="both",
        metavar="COLUMN",
        help="Table or list of images: the column to learn; a name, a position from 1, or last.",
    )
    task: str | None = _option(
        about="both",
        metavar="NAME",
        help="Table, list or .npz of images: classification or regression, where the target does not say it.",
    )
    columns: tuple[str, ...] = _option(
        (),
        about="rows",
        form="names",
        metavar="A,B,…",
        help="Table without a header: the columns' names; else c1…cN.",
    )
    kinds: Mapping[str, str] | None = _option(
        about="rows",
        form="pairs",
        flag="--kind",
        example="zip=category",
        metavar="COLUMN=KIND",
        help="Table: number, category, date or ignored by column, where the guess is wrong.",
    )
    group: str | int | None = _option(
        about="rows",
        metavar="COLUMN",
        help="Table: a column of groups; rows of one group stay on one side of every split.",
    )
    time: str | int | None = _option(
        about="rows",
        metavar="COLUMN",
        help="Table: a column of dates or numbers; the most recent rows form the test set.",
    )
    ids: tuple[str | int, ...] = _option(
        (),
        about="rows",
        form="list",
        flag="--id",
        metavar="COLUMN",
        help="Table: columns that identify a row; copied to the predictions, never learned from.",
    )
    separator: str | None = _option(
        about="both",
        metavar="CHARACTER",
        help="Table or list of images: the separator of cells, where the guess is wrong: , ; tab | space.",
    )
    header: int | None = _option(
        about="both",
        form="number",
        metavar="N",
        help="Table or list of images: number of header lines, 0 for none; inferred unless set.",
    )
    missing: str | Sequence[str] | None = _option(
        about="both",
        metavar="TEXTS",
        help="Table or list of images: texts that stand for a missing value, such as '?,-200', instead of "
        "NA, NaN, None and the like.",
    )
    label_from: str | None = _option(
        about="images",
        metavar="TEMPLATE",
        help="Images in a folder: how file names hold their labels, such as '{class}_{n}'.",
    )
    per_class: str | int | Mapping[str, int] | None = _option(
        about="images",
        metavar="N|SPLIT=N,…",
        help="Images: use so many of each class, such as 500 or train=1000,val=500,test=500, drawn by the "
        "split seed.",
    )

    def __post_init__(self) -> None:
        from mindle.data.tables.parsing.cells import missing_option

        for name, kind, what in _TYPES_OF_OPTIONS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"`{name}` must be {what}. Received {value!r}.")
        object.__setattr__(self, "missing", missing_option(self.missing))

    @classmethod
    def of(cls, reading: Mapping[str, Any], call: Callable[..., Any]) -> ReadingOptions:
        """The options from the keywords that a public call was given.

        Args:
            reading: The keywords.
            call: The call, which knows what else it takes.

        Raises:
            TypeError: If a keyword is none that the call takes.

        Example:
            >>> ReadingOptions.of({"target": "price", "ids": ["number"]}, ReadingOptions).ids
            ('number',)
        """
        known = inspect.signature(call).parameters
        for name in reading:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"It takes {', '.join(known)}."
                raise TypeError(f"{call.__name__}() got an unexpected keyword argument {name!r}. {hint}")
        several = {option.name for option in fields(cls) if option.default == ()}
        given: dict[str, Any] = {
            name: _several(value) if name in several else value for name, value in reading.items()
        }
        return cls(**given)

    def given(self) -> dict[str, Any]:
        """What the user said, by name, without what was not said.

        Example:
            >>> ReadingOptions(target="price", ids=("number",)).given()
            {'target': 'price', 'ids': ('number',)}
        """
        return {
            option.name: value for option in fields(self) if _is_said(value := getattr(self, option.name))
        }

    def as_dict(self) -> dict[str, Any]:
        """What the user said, as JSON holds it; `from_dict` reads it."""
        return {
            name: list(value)
            if isinstance(value, tuple)
            else dict(value)
            if isinstance(value, Mapping)
            else value
            for name, value in self.given().items()
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ReadingOptions:
        """The options that stand in a document, such as `asked` in run.json; other keys are passed over.

        Example:
            >>> ReadingOptions.from_dict({"target": "price", "seed": 0}).target
            'price'
        """
        known: dict[str, Any] = {
            option.name: tuple(value) if isinstance(value, list) else value
            for option in fields(cls)
            if (value := document.get(option.name)) is not None
        }
        return cls(**known)

    def is_table(self, data: Any) -> bool:
        """Whether the data are a table rather than images.

        The content of a file decides, not its ending. A file that lists images has a column `path`, or one
        that leads to images; a column `path` that leads to none makes a table all the same where a target is
        named.

        Raises:
            DataError: If they are a file that cannot be read, or no regular file.

        Example:
            >>> ReadingOptions().is_table("wine"), ReadingOptions().is_table("digits")
            (True, False)
        """
        from mindle.data.images.sources.headings import ListOptions, image_list
        from mindle.data.tables.parsing.opening import is_parquet, is_text, is_workbook
        from mindle.data.tables.sources import BUILT_IN, ENDINGS, is_frame, is_mapping_table

        if not isinstance(data, (str, os.PathLike)):
            return is_frame(data) or is_mapping_table(data)
        place = Path(os.path.expanduser(data))
        if not place.exists():
            return os.fspath(data) in BUILT_IN
        if place.is_dir() or place.suffix.lower() == ".npz":
            return False
        if is_parquet(place):
            return True
        asked = (self.target, self.separator, self.header) != (None, None, None)
        if not (asked or place.suffix.lower() in ENDINGS or is_workbook(place) or is_text(place)):
            return False
        listed = image_list(place, ListOptions(separator=self.separator, header=self.header))
        if listed is None:
            return True
        named = self.target is not None and listed.names[listed.image] == "path"
        return named and not listed.leads_to_images()

    def read(self, data: Any, *, split_seed: int = 0) -> Dataset | Table:
        """Read images or a table, as the data and the options say.

        Raises:
            DataError: If nothing can be read.
            TypeError: If the data are nothing that can hold images or rows.
            ValueError: If an option is about other data than these, or names a column that is not there.
        """
        return self.read_table(data) if self.is_table(data) else self.read_images(data, split_seed=split_seed)

    def read_table(self, data: Any) -> Table:
        """Read a table.

        Raises:
            DataError: If the source is no table, or its target cannot be learned.
            ValueError: If an option is about images, or names a column that is not there.
        """
        from mindle.data.tables.reader import read_table

        refuse(self._given_about("images"), "images", "a table")
        return read_table(data, **{**replace(self, ids=()).given(), "ids": self.ids})

    def read_images(self, data: Any, *, split_seed: int = 0) -> Dataset:
        """Read images; `split_seed` draws those of `per_class`.

        Raises:
            DataError: If there are no images with labels.
            ValueError: If an option is about tables, or `label_from` is no template.
        """
        from mindle.data.common.draw import draw
        from mindle.data.images.sources.source import read, require_there

        require_there(data)
        refuse(self._given_about("rows"), "a table", "images")
        about_images = replace(self, per_class=None).given()
        if self.label_from is not None:  # an empty one is no template, and is refused
            about_images["label_from"] = self.label_from
        dataset = read(data, **about_images)
        return dataset if self.per_class is None else draw(dataset, self.per_class, seed=split_seed)

    def _given_about(self, data: str) -> dict[str, Any]:
        """What the user said that is about such data alone."""
        records = option_records()
        return {name: value for name, value in self.given().items() if records[name].about == data}


# What options must be that Python may be given otherwise.
_TYPES_OF_OPTIONS: Sequence[tuple[str, type, str]] = (
    ("kinds", Mapping, "kinds by column, such as {'zip': 'category'}"),
    ("header", Integral, "a number of lines, 0 for none"),
    ("missing", Iterable, "texts with commas between them, or a list of texts"),
)


def _several(value: Any) -> tuple[Any, ...]:
    """Names that come in a list, or one name alone."""
    return (value,) if isinstance(value, (str, Integral)) else tuple(value)


def option_records(*names: str) -> dict[str, OptionRecord]:
    """The records of options by name; of all where none are named.

    Example:
        >>> option_records("kinds")["kinds"].flag
        '--kind'
    """
    records = {option.name: option.metadata["record"] for option in fields(ReadingOptions)}
    return {name: records[name] for name in names or records}


def takes_reading_options(*names: str) -> Callable[[Call], Call]:
    """Write the options out in the signature and the docstring of a call that takes `**reading`.

    The docstring has one line `**reading: …` among its arguments, in whose place the options come.

    Args:
        names: Of the options that the call takes; all unless given.
    """
    records = option_records(*names)

    def written_out(call: Call) -> Call:
        plain = inspect.signature(call)
        fixed = [one for one in plain.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        call.__dict__["__signature__"] = plain.replace(parameters=[*fixed, *map(_parameter, records)])
        call.__doc__ = re.sub(
            r"^( *)\*\*reading: .*$",
            lambda line: "\n".join(
                textwrap.fill(
                    f"{name}: {record.help}",
                    width=100,
                    initial_indent=line[1],
                    subsequent_indent=f"{line[1]}    ",
                )
                for name, record in records.items()
            ),
            call.__doc__ or "",
            flags=re.MULTILINE,
        )
        return call

    return written_out


def _parameter(name: str) -> inspect.Parameter:
    """An option as a keyword of a public call."""
    annotation = ReadingKeywords.__annotations__[name]
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=getattr(ReadingOptions, name),
        annotation=annotation.__forward_arg__,
    )


def refuse(arguments: Mapping[str, Any], theirs: str, ours: str) -> None:
    """Refuse arguments that say something about other data than these.

    Raises:
        ValueError: Naming the first of them.

    Example:
        >>> refuse({"folds": None}, "a table", "images")
    """
    given = [name for name, value in arguments.items() if _is_said(value)]
    if given:
        raise ValueError(
            f"`{given[0]}` must be left out for {ours}: it is about {theirs}. Received "
            f"{given[0]}={arguments[given[0]]!r}."
        )


def _is_said(value: Any) -> bool:
    return value is not None and value not in ("", (), {})  # a header of 0 lines is said
