from __future__ import annotations

import re
from collections.abc import Callable

from mindle.evaluation.report import ReportContent, report_html
from tests.evaluation.report.test_training import section

Make = Callable[..., ReportContent]


def test_the_baselines_stand_in_order(full: Make, estimated: Make) -> None:
    orders = [
        (full(), ["this model", "linear model on a colour histogram", "always the most frequent class"]),
        (estimated(), ["this model", "linear model", "always the mean"]),
    ]
    for content, order in orders:
        shown = section(content, "trust")
        table = shown[shown.index("<tbody>") :]
        assert re.findall(r'<th scope="row">(.*?)</th>', table) == order
        assert re.findall(r'class="bar (wide.*?)"', table) == ["wide main", "wide", "wide"]


def test_facts_name_what_is_known(full: Make, bare: Make) -> None:
    known = ["Task", "Classes", "Images used", "Strategy", "Total time", "Finished"]
    for content, names in ((full(), known), (bare(), ["Task", "Classes"])):
        text = report_html(content)
        listed = text[text.index('<dl class="facts">') : text.index("</dl>")]
        assert re.findall("<dt>(.*?)</dt>", listed) == names
    assert "<dt>Task</dt><dd>multiclass classification</dd>" in report_html(full())
