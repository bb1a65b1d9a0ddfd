import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

import mindle
from mindle.data.reading import (
    ReadingKeywords,
    ReadingOptions,
    option_records,
    refuse,
    takes_reading_options,
)
from mindle.records import Dataset, Table
from tests.discs import write_discs


def test_the_data_decide_whether_images_or_rows_are_read() -> None:
    assert isinstance(ReadingOptions().read("digits"), Dataset)
    assert isinstance(ReadingOptions().read("wine"), Table)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (ReadingOptions(label_from="{class}_{n}"), "label_from"),
        (ReadingOptions(per_class=3), "per_class"),
    ],
)
def test_what_is_about_images_is_refused_for_a_table(options: ReadingOptions, name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be left out for a table: it is about images"):
        options.read("wine")


@pytest.mark.parametrize(
    ("given", "must"),
    [
        ({"kinds": "zip=category"}, "`kinds` must be kinds by column"),
        ({"header": "one"}, "`header` must be a number of lines"),
        ({"header": 1.5}, "`header` must be a number of lines"),
        ({"missing": -200}, "`missing` must be texts"),
    ],
)
def test_options_of_another_type_are_refused(given: dict[str, Any], must: str) -> None:
    with pytest.raises(TypeError, match=f"{must}.*Received"):
        ReadingOptions.of(given, ReadingOptions)


@pytest.mark.parametrize("one", ["key", 2])
def test_one_name_stands_for_a_list_of_it(one: str | int) -> None:
    assert ReadingOptions.of({"ids": one}, ReadingOptions).ids == (one,)


@pytest.mark.parametrize("data", [3, None, ["photos"], b"photos"])
def test_what_holds_no_data_is_refused_by_the_name_of_its_type(data: Any) -> None:
    with pytest.raises(TypeError, match=f"Data must be a path.*Received {type(data).__name__}"):
        ReadingOptions().read(data)


@pytest.mark.parametrize("options", [ReadingOptions(kinds={"a": "date"}), ReadingOptions(ids=("a",))])
def test_what_is_about_rows_is_refused_for_images(options: ReadingOptions) -> None:
    with pytest.raises(ValueError, match="must be left out for images: it is about a table"):
        options.read("digits")


@pytest.mark.parametrize("options", [ReadingOptions(separator=";"), ReadingOptions(header=0)])
def test_a_data_set_without_a_file_of_text_has_no_separator_and_no_header(options: ReadingOptions) -> None:
    with pytest.raises(ValueError, match="must be left out for images that are not listed in a CSV"):
        options.read("digits")


@pytest.mark.parametrize(("template", "error"), [("", ValueError), (3, TypeError)])
def test_what_is_no_template_is_refused(template: Any, error: type[Exception], tmp_path: Path) -> None:
    write_discs(tmp_path / "discs", 1)
    with pytest.raises(error, match="label_from"):
        ReadingOptions(label_from=template).read(tmp_path / "discs")


def test_options_come_back_from_json_as_they_were() -> None:
    options = ReadingOptions(
        target=3, kinds={"zip": "category"}, ids=("a", "b"), header=0, per_class={"train": 5}
    )
    document = json.loads(json.dumps({**options.as_dict(), "seed": 7}))
    assert ReadingOptions.from_dict(document) == options


def test_empty_values_say_nothing() -> None:
    refuse({"columns": (), "kinds": {}, "group": None}, "a table", "images")
    with pytest.raises(ValueError, match="header=0"):
        refuse({"header": 0}, "a table", "images")


# ---- records ----------------------------------------------------------------------------------------------

SOURCE = Path(inspect.getfile(mindle)).parent
NAMES = tuple(option_records())
CALLS = [mindle.train, mindle.tune, mindle.check]


def test_keywords_and_fields_are_the_same() -> None:
    fields = {field.name: field.type for field in dataclasses.fields(ReadingOptions)}
    keywords = {name: hint.__forward_arg__ for name, hint in ReadingKeywords.__annotations__.items()}
    assert list(fields) == list(keywords)
    several = {"columns": "Sequence[str]", "ids": "Sequence[str | int]"}  # any sequence will do in a call
    assert {**fields, **several} == keywords


def test_a_new_option_touches_its_record_and_the_place_that_uses_it() -> None:
    naming_most = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if all(re.search(rf"\b{name}\b", path.read_text(encoding="utf-8")) for name in NAMES)
    ]
    assert naming_most == ["data/reading.py"]


@pytest.mark.parametrize("call", CALLS)
def test_calls_write_every_option_out(call: Any) -> None:
    shown = inspect.signature(call).parameters
    for name, record in option_records().items():
        assert shown[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert shown[name].default == getattr(ReadingOptions, name)
        assert f"{name}: {record.help}" in " ".join(call.__doc__.split())
    assert "reading" not in shown
    assert "**reading" not in call.__doc__


def test_a_call_may_take_some_of_the_options() -> None:
    @takes_reading_options("header", "target")
    def call(data: str, *, size: int = 0, **reading: Any) -> None:
        """Do it.

        Args:
            data: The data.
            size: A size.
            **reading: How data are read.
        """

    assert list(inspect.signature(call).parameters) == ["data", "size", "header", "target"]
    assert "kinds" not in str(call.__doc__)
    with pytest.raises(TypeError, match="unexpected keyword argument 'kinds'"):
        ReadingOptions.of({"kinds": {}}, call)


@pytest.mark.parametrize("call", [mindle.train, mindle.check])
@pytest.mark.parametrize(("wrong", "near"), [("tagret", "target"), ("split_sed", "split_seed")])
def test_a_misspelt_keyword_is_refused_with_the_nearest(call: Any, wrong: str, near: str) -> None:
    with pytest.raises(TypeError, match=rf"unexpected keyword argument '{wrong}'\. Did you mean '{near}'\?"):
        call("digits", **{wrong: 1})
