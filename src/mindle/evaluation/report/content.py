"""What a report is made from: plain records that a run folder can give back at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mindle.evaluation.report.formatting import Score, score_in
from mindle.records import FAMILIES, Answers, Diagnosis, Finding, Task


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One candidate of the model selection, and how it did on the validation split.

    Attributes:
        name: What it was.
        value, low, high: Its main score on the validation split with the interval; None where it did not
            finish.
        seconds: How long it took.
        milliseconds: What an answer of it takes; None where that was not measured.
        note: Why it was or was not selected, briefly.
        chosen: Whether it is the one that was selected.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    seconds: float = 0.0
    milliseconds: float | None = None
    note: str = ""
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class Licence:
    """Where a set of weights comes from and what it may be used for."""

    name: str
    licence: str
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """What the model learned from.

    Attributes:
        unit: What one answer is about, "images" or "rows"; sentences and examples follow it.
        target: Name of what is predicted, for tables and lists.
        target_unit: What its numbers count, such as "k$"; "" where unknown.
        counts: Class (or quarter of the targets) to {"train", "val", "test", "set_aside"} to how many.
        set_aside: Reason to number of files or rows that are not used.
        findings: What `mindle check` noticed, every file named.
        columns: Of a table, each {"name", "kind", "role", "missing", "note"}: missing counts cells.
        fingerprint: Hash of the data.
    """

    unit: str = "images"
    target: str = ""
    target_unit: str = ""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    set_aside: Mapping[str, int] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    columns: Sequence[Mapping[str, Any]] = ()
    fingerprint: str = ""

    def total(self, split: str) -> int:
        """How many images or rows lie in a split, 0 where that is not known."""
        return sum(numbers.get(split, 0) for numbers in self.counts.values())


@dataclass(frozen=True, kw_only=True)
class TrainingSummary:
    """How the model came about.

    Attributes:
        history: Rows of history.csv.
        tried: The candidates, in order.
        stopped: Why the search or the training stopped, a sentence each.
        diagnoses: What was noticed about the training, each with its figure.
        search: Where a search found the recipe: its `sampler`, `score` (log_loss or rmse), `trials` (number,
            state, that score, accuracy, seconds, note, settings), the number of the `best`, `counts` by
            state, and `importance`.
    """

    history: Sequence[Mapping[str, Any]] = ()
    tried: Sequence[Attempt] = ()
    stopped: Sequence[str] = ()
    diagnoses: Sequence[Diagnosis] = ()
    search: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What the answers rest on.

    Attributes:
        importance: Of each feature {"name", "mean", "low", "high"}: how much worse the score gets when its
            values are shuffled.
        dependence: Of some features {"name", "kind", "at", "values"}: the mean answer where the feature is
            set to each value of `at`.
        pictures: Path of an image (as in the answers) to a small JPEG of it; may lack any or all.
        borders: Of each class {"name", "share", "n", "area", "warned"}: how much of its evidence lies in the
            border of the images.
        rows: Path of a row (as in the answers) to its cells, column to value; may lack any.
    """

    importance: Sequence[Mapping[str, Any]] = ()
    dependence: Sequence[Mapping[str, Any]] = ()
    borders: Sequence[Mapping[str, Any]] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the run comes from and how to repeat it.

    Attributes:
        command: What to type to repeat the run.
        finished: When it finished, as text.
        recipe: The full recipe, nested by concern.
        environment: Name to text: versions, processor, seeds.
        licences: Of the weights inside.
    """

    command: str = ""
    finished: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    licences: Sequence[Licence] = ()


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """Everything that stands in a report. Whatever is empty has no section.

    Attributes:
        name: The run's name, as people know it.
        metrics: The document of metrics.json; `metrics["test"]` is a block of `mindle.evaluation.score`, or
            of `score_estimates` where the task is regression.
        answers: By split, "test" at least: for the curves, the reliability diagram and the mistakes.
        data: What was learned from.
        training: How the model came about.
        explanation: What the answers rest on.
        provenance: How to repeat it.
        doctor: What the examination of the data found, as run.json has it, and under "issues" the first rows
            of label_issues.csv.
    """

    name: str
    metrics: Mapping[str, Any]
    answers: Mapping[str, Answers]
    data: DataSummary = DataSummary()
    training: TrainingSummary = TrainingSummary()
    explanation: Explanation = Explanation()
    provenance: Provenance = Provenance()
    doctor: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.metrics.get("task") not in FAMILIES:
            raise ValueError(
                f"A report needs metrics with `task` {' or '.join(FAMILIES)}. "
                f"Received task={self.metrics.get('task')!r}."
            )
        if "test" not in self.metrics or "test" not in self.answers:
            raise ValueError("A report needs the test split in `metrics` and in `answers`. Received none.")

    @property
    def task(self) -> Task:
        """What the model predicts."""
        return Task(self.metrics["task"])

    @property
    def test(self) -> Mapping[str, Any]:
        """The scores on the test split."""
        block: Mapping[str, Any] = self.metrics["test"]
        return block

    @property
    def validation(self) -> Mapping[str, Any]:
        """The scores on the validation split; empty where there is none."""
        return self.metrics.get("val") or {}

    @property
    def baselines(self) -> dict[str, Any]:
        """The main score of each baseline that was measured."""
        measured = self.metrics.get("baselines", {})
        return {name: score for name, score in measured.items() if score is not None}

    def test_score(self, name: str) -> Score:
        """A score on the test split with its interval."""
        return score_in(self.test, name)

    def train_score(self, name: str) -> tuple[float, bool] | None:
        """A score of what was learned from, and whether it is that out of fold; None where it is not known.

        Heads and models of tables fit their training images and rows by construction: of them only the
        answers of models that had not seen a row say how well they learned.
        """
        train = self.metrics.get("train", {})
        out_of_fold = train.get("out_of_fold", {})
        found = out_of_fold.get(name, train.get(name))
        return None if found is None else (found, name in out_of_fold)
