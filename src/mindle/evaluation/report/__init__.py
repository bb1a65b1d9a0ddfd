"""The report: one HTML file that shows a run to a person who was not there."""

from mindle.evaluation.report.comparison import Variant as Variant
from mindle.evaluation.report.comparison import comparison_html as comparison_html
from mindle.evaluation.report.content import Attempt as Attempt
from mindle.evaluation.report.content import DataSummary as DataSummary
from mindle.evaluation.report.content import Explanation as Explanation
from mindle.evaluation.report.content import Licence as Licence
from mindle.evaluation.report.content import Provenance as Provenance
from mindle.evaluation.report.content import ReportContent as ReportContent
from mindle.evaluation.report.content import TrainingSummary as TrainingSummary
from mindle.evaluation.report.page import report_html as report_html
from mindle.evaluation.report.page import summary_html as summary_html
from mindle.evaluation.report.page import write_report as write_report
