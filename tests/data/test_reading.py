import json
from pathlib import Path
from typing import Any

import pytest

from mindle.data.reading import ReadingOptions, refuse
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
