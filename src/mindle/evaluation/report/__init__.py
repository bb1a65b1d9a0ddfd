"""The report: one HTML file that tells a run to a person who was not there."""

from mindle.evaluation.report.comparison import Variant as Variant
from mindle.evaluation.report.comparison import comparison_html as comparison_html
from mindle.evaluation.report.comparison import write_comparison as write_comparison
from mindle.evaluation.report.content import Attempt as Attempt
from mindle.evaluation.report.content import Licence as Licence
from mindle.evaluation.report.content import ReportContent as ReportContent
from mindle.evaluation.report.content import largest_errors as largest_errors
from mindle.evaluation.report.content import most_confident_mistakes as most_confident_mistakes
from mindle.evaluation.report.overfitting import Overfitting as Overfitting
from mindle.evaluation.report.overfitting import judge_overfitting as judge_overfitting
from mindle.evaluation.report.page import report_html as report_html
from mindle.evaluation.report.page import summary_html as summary_html
from mindle.evaluation.report.page import write_report as write_report
from mindle.evaluation.report.verdict import verdict as verdict

__all__ = [
    "Attempt",
    "Licence",
    "Overfitting",
    "ReportContent",
    "Variant",
    "comparison_html",
    "judge_overfitting",
    "largest_errors",
    "most_confident_mistakes",
    "report_html",
    "summary_html",
    "verdict",
    "write_comparison",
    "write_report",
]
