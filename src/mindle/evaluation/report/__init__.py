"""The report: one HTML file that shows a run to a person who was not there."""

from mindle.evaluation.report.comparison import Variant as Variant
from mindle.evaluation.report.comparison import comparison_html as comparison_html
from mindle.evaluation.report.comparison import write_comparison as write_comparison
from mindle.evaluation.report.content import Attempt as Attempt
from mindle.evaluation.report.content import DataSummary as DataSummary
from mindle.evaluation.report.content import Explanation as Explanation
from mindle.evaluation.report.content import Licence as Licence
from mindle.evaluation.report.content import Provenance as Provenance
from mindle.evaluation.report.content import ReportContent as ReportContent
from mindle.evaluation.report.content import TrainingSummary as TrainingSummary
from mindle.evaluation.report.overfitting import Overfitting as Overfitting
from mindle.evaluation.report.page import report_html as report_html
from mindle.evaluation.report.page import summary_html as summary_html
from mindle.evaluation.report.page import write_report as write_report
from mindle.evaluation.report.verdict import verdict as verdict

__all__ = [
    "Attempt",
    "DataSummary",
    "Explanation",
    "Licence",
    "Overfitting",
    "Provenance",
    "ReportContent",
    "TrainingSummary",
    "Variant",
    "comparison_html",
    "report_html",
    "summary_html",
    "verdict",
    "write_comparison",
    "write_report",
]
