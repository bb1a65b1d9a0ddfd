from __future__ import annotations

from collections.abc import Callable

from mindle.evaluation.report import ReportContent
from mindle.evaluation.report.diagnosis import diagnosed, diagnosis
from mindle.evaluation.report.words import Words, catalogue
from mindle.records import Diagnosis
from tests.evaluation.report.conftest import diagnoses
from tests.evaluation.report.test_page import Reader, read

Make = Callable[..., ReportContent]


def test_each_finding_has_its_figure_and_what_to_try(full: Make) -> None:
    page = read(full(diagnosis=diagnoses()))
    assert "Learning rate too high It rose. What to try Try less." in page.words
    assert "Some new kind It fell & fell. What to try Try <more>." in page.words
    found = diagnosed(diagnoses(), Words("en"))
    assert Reader(found).problems == []
    assert found.count("<svg") == 2


def test_a_run_without_findings_has_no_section(full: Make) -> None:
    assert diagnosis(full(), Words("en")) is None


def test_korean_pages_mark_english_sentences(full: Make) -> None:
    found = diagnosed(diagnoses(), Words("ko"))
    assert '<p lang="en">It rose.</p>' in found
    assert "너무 큰 학습률" in found


def test_every_kind_has_a_name_in_both_languages() -> None:
    kinds = [name.removeprefix("diagnosed.") for name in catalogue() if name.startswith("diagnosed.")]
    assert len(kinds) >= 10
    for kind in kinds:
        each = Diagnosis(kind=kind, message="", remedy="", evidence=diagnoses()[0].evidence)
        assert catalogue()[f"diagnosed.{kind}"]["ko"] in diagnosed([each], Words("ko"))
