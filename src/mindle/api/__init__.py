"""The public calls, one verb a stage; a module here joins the rooms that a verb needs."""

from mindle.api.check import Checked as Checked
from mindle.api.check import check as check
from mindle.api.check import tell_findings as tell_findings
from mindle.api.compare import Compared as Compared
from mindle.api.compare import compare as compare
from mindle.api.course import Course as Course
from mindle.api.course import course as course
from mindle.api.course import list_experiments as list_experiments
from mindle.api.ensemble import ensemble as ensemble
from mindle.api.evaluate import evaluate as evaluate
from mindle.api.listing import cache as cache
from mindle.api.listing import list_models as list_models
from mindle.api.listing import list_recipes as list_recipes
from mindle.api.listing import list_runs as list_runs
from mindle.api.listing import show_recipe as show_recipe
from mindle.api.models import Model as Model
from mindle.api.models import Run as Run
from mindle.api.models import load as load
from mindle.api.predict import inputs_of as inputs_of
from mindle.api.predict import open_model as open_model
from mindle.api.predict import predict as predict
from mindle.api.prepare import prepare as prepare
from mindle.api.report import report as report
from mindle.api.train import train as train
from mindle.api.tune import tune as tune
