"""The report: one HTML file that tells a run to a person who was not there."""

from mindle.evaluation.report.content import Attempt as Attempt
from mindle.evaluation.report.content import Licence as Licence
from mindle.evaluation.report.content import ReportContent as ReportContent
from mindle.evaluation.report.content import most_confident_mistakes as most_confident_mistakes
from mindle.evaluation.report.overfitting import Overfitting as Overfitting
from mindle.evaluation.report.overfitting import judge_overfitting as judge_overfitting
from mindle.evaluation.report.page import report_html as report_html
from mindle.evaluation.report.page import summary_html as summary_html
from mindle.evaluation.report.page import write_report as write_report

__all__ = [
    "Attempt",
    "Licence",
    "Overfitting",
    "ReportContent",
    "judge_overfitting",
    "most_confident_mistakes",
    "report_html",
    "summary_html",
    "write_report",
]
