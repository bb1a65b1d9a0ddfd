"""The report: one HTML file that shows a run to a person who was not there."""

from mindle.evaluation.report.comparison import Variant, comparison_html
from mindle.evaluation.report.content import (
    Attempt,
    DataSummary,
    Explanation,
    Licence,
    Provenance,
    ReportContent,
    TrainingSummary,
)
from mindle.evaluation.report.page import report_html, summary_html, write_report

__all__ = [
    "Attempt",
    "DataSummary",
    "Explanation",
    "Licence",
    "Provenance",
    "ReportContent",
    "TrainingSummary",
    "Variant",
    "comparison_html",
    "report_html",
    "summary_html",
    "write_report",
]
