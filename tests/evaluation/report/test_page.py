from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindle.errors import DeviceError
from mindle.evaluation.report import ReportContent, report_html, summary_html, write_report
from tests.processes import python

Make = Callable[..., ReportContent]
VOID = {"br", "col", "hr", "img", "link", "meta"}
SECTIONS = (
    "trust scores confusion classes mistakes confidence ranking training "
    "data tried time reproduce licences limits"
).split()


class Reader(HTMLParser):
    """Reads a page and holds it to be well formed: every tag closed in order, every attribute once."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.problems: list[str] = []
        self.feed(page)
        self.close()
        self.problems += [f"<{name}> is never closed" for name in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if len(attrs) != len(dict(attrs)):
            self.problems.append(f"<{tag}> repeats an attribute")
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(content: ReportContent, lang: str = "en") -> Reader:
    reader = Reader(report_html(content, lang=lang))
    assert reader.problems == []
    return reader


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_full_report_has_every_section_and_a_link_to_each(full: Make, lang: str) -> None:
    page = read(full(), lang)
    assert [section["id"] for section in page.all("section")] == SECTIONS
    assert [link["href"] for link in page.all("a")][1:] == [f"#{name}" for name in SECTIONS]
    assert page.all("html") == [{"lang": lang}]
    assert len(page.all("h1")) == 1


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_it_loads_nothing_and_runs_nothing(full: Make, bare: Make, lang: str) -> None:
    for content in (full(), bare()):
        text = report_html(content, lang=lang)
        page = Reader(text)
        assert not {name for name, _ in page.elements} & {
            "script",
            "link",
            "iframe",
            "object",
            "form",
            "base",
        }
        assert "http:" not in text
        assert "https:" not in text
        assert "url(" not in text
        assert "@import" not in text
        for _, attributes in page.elements:
            assert not [name for name in attributes if name.startswith("on")]
            assert attributes.get("src", "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
            assert attributes.get("href", "#").startswith("#")


def test_pictures_are_the_jpegs_that_were_given(full: Make, is_jpeg: Callable[[str], bool]) -> None:
    page = read(full())
    images = page.all("img")
    assert len(images) == 3
    assert all(is_jpeg(image["src"]) and image["alt"] for image in images)


def test_every_figure_has_a_name_and_a_description_and_real_text(full: Make) -> None:
    text = report_html(full())
    drawings = re.findall(r"<svg.*?</svg>", text, flags=re.S)
    assert len(drawings) >= 7
    for drawing in drawings:
        assert 'role="img"' in drawing
        assert re.search(r"<title>[^<]+</title><desc>[^<]+</desc>", drawing)
        assert "#" not in re.sub(
            r"&#\d+;", "", drawing
        )  # no colour of its own: the page decides, light or dark
    assert sum("<text" in drawing for drawing in drawings) >= 6


def test_tables_name_their_rows_and_columns(full: Make) -> None:
    page = read(full())
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(cell.get("scope") in ("row", "col") for cell in page.all("th"))


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_odd_names_break_nothing(full: Make, odd_names: tuple[str, ...], tmp_path: Path, lang: str) -> None:
    content = full(classes=odd_names, n=200)
    page = read(content, lang)
    assert "<b>&\"'" in page.words
    assert "🌼 데이지" in page.words
    assert "إقحوان" in page.words
    assert "a\ufffdb\ufffd" in page.words
    assert page.all("b") == [{} for _ in page.all("b")]
    written = write_report(tmp_path / "report.html", content, lang=lang)
    assert "\x00" not in written.read_text(encoding="utf-8")


@pytest.mark.parametrize(("classes", "n"), [(2, 1), (2, 40), (3, 2), (20, 60), (21, 90), (100, 600)])
def test_any_number_of_classes(bare: Make, classes: int, n: int) -> None:
    names = [f"클래스 {i}" for i in range(classes)]
    content = bare(classes=names, n=n)
    page = read(content)
    rows = list(content.test["per_class"])
    assert all(row["name"] in page.words for row in rows)
    assert len(report_html(content)) < 2_000_000


def test_a_small_confusion_matrix_is_a_table_of_its_numbers(full: Make) -> None:
    content = full()
    text = report_html(content)
    found = re.search(r'<table class="confusion.*?</table>', text, flags=re.S)
    assert found
    cells = Reader(found.group()).text
    numbers = [int(cell) for cell in cells if cell.isdigit()]
    assert numbers == [n for row in content.test["confusion"] for n in row]


def test_a_large_confusion_matrix_has_its_numbers_too(bare: Make) -> None:
    content = bare(classes=[f"c{i}" for i in range(30)], n=400, strength=1.0)
    text = report_html(content)
    found = re.search(r'<svg[^>]*class="fixed".*?</svg>', text, flags=re.S)
    assert found
    numbers = [int(n) for n in re.findall(r'class="(?:plain|seed|dark)">(\d+)<', found.group())]
    assert sum(numbers) == 400


def test_what_is_missing_has_no_section(bare: Make) -> None:
    page = read(bare())
    missing = {"training", "tried", "time", "reproduce", "licences"}
    assert [section["id"] for section in page.all("section")] == [
        name for name in SECTIONS if name not in missing
    ]


def test_without_pictures_the_mistakes_are_still_named(full: Make) -> None:
    page = read(full(pictures={}))
    assert page.all("img") == []
    assert "Truth: daisy" in page.words or "Truth: roses" in page.words


def test_no_mistake_at_all_is_said(bare: Make) -> None:
    page = read(bare(strength=60.0))
    assert "every test image was answered correctly" in page.words


def test_every_file_of_a_finding_is_listed(full: Make) -> None:
    page = read(full())
    assert "train/a.jpg" in page.words
    assert "test/a.jpg" in page.words
    assert "A new kind" in page.words
    assert "needs your decision" in page.words


def test_the_page_follows_the_theme_and_prints(full: Make) -> None:
    text = report_html(full())
    rules = [
        "prefers-color-scheme: dark",
        "@media print",
        "size: A4",
        "break-inside: avoid",
        "max-width: 46rem",
    ]
    assert all(rule in text for rule in rules)


def test_the_same_content_gives_the_same_bytes(full: Make) -> None:
    assert report_html(full()) == report_html(full())


def test_it_can_be_written_again_from_json_and_rounded_predictions(full: Make) -> None:
    content = full()
    metrics: dict[str, Any] = json.loads(json.dumps(content.metrics))
    again = full(
        metrics=metrics, history=[{k: str(v) for k, v in row.items()} for row in content.training.history]
    )
    assert report_html(again) == report_html(content)


def test_writing_replaces_and_returns_the_path(full: Make, tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.html"
    assert write_report(target, full()) == target
    assert write_report(str(target), full(), lang="ko") == target
    assert 'lang="ko"' in target.read_text(encoding="utf-8")
    assert [file.name for file in target.parent.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_named(full: Make, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(DeviceError, match="must be a file that can be written"):
        write_report(tmp_path / "report.html", full())


def test_an_unknown_language_is_refused(full: Make) -> None:
    with pytest.raises(ValueError, match="`lang` must be one of en, ko. Received lang='de'"):
        report_html(full(), lang="de")


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_summary_is_a_fragment_with_its_own_style(full: Make, lang: str) -> None:
    text = summary_html(full(), lang=lang)
    page = Reader(text)
    assert page.problems == []
    assert len(page.all("img")) == 3
    assert "%" in page.words
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    assert all(line.startswith(".mindle-summary") for line in style.splitlines() if line)
    assert len(Reader(summary_html(full(pictures={}))).all("img")) == 0


def test_no_plotting_library_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys, mindle.evaluation;"
        "print(sorted({'matplotlib', 'torch', 'sklearn', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    done = python(code)
    assert done.stdout.strip() == "[]"


def test_confidence_without_spread_is_drawn(bare: Make) -> None:
    content = bare(n=3, strength=80.0)
    assert np.allclose(content.answers["test"].probabilities.max(axis=1), 1.0)
    read(content)
