"""`train`: read → check → split → fit → examine → bundle → evaluate once → report.

It joins the stages and holds no logic of its own: what is done stands in each room, in which order here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from mindle.api.beside import Beside
from mindle.api.models import Run
from mindle.api.pipeline import carry_out
from mindle.api.pipelines import TrainingOptions, open_pipeline
from mindle.api.run_context import RunRequest
from mindle.data.reading import ReadingKeywords, ReadingOptions, takes_reading_options
from mindle.records import Listener, record_of

if TYPE_CHECKING:
    from mindle.training.recipe import Recipe

Source = str | os.PathLike[str]


@takes_reading_options()
def train(
    data: Source,
    *,
    recipe: Source | Recipe | None = None,
    model: str | None = None,
    strategy: str | None = None,
    weights: Source | None = None,
    budget: str | float | None = None,
    seed: int = 0,
    split_seed: int = 0,
    device: str = "auto",
    out: Source | None = None,
    resume: bool = False,
    imbalance: str | None = None,
    prefer: str | None = None,
    set: Mapping[str, Any] | None = None,
    folds: int | None = None,
    repeats: int | None = None,
    decisions: Source | None = None,
    cost: Source | None = None,
    with_neighbours: bool = False,
    lang: str = "en",
    track: str | None = None,
    listener: Listener | None = None,
    **reading: Unpack[ReadingKeywords],
) -> Run:
    """Check, split, train, evaluate once on a sealed test split, write a report and a bundle.

    Args:
        data: A folder of class folders, a CSV (`path,label`, or `path,target` for numbers), an `.npz`, a
            folder of idx or CIFAR files, or "digits". Or a table: a CSV with a target, a data frame, or
            "breast-cancer", "diabetes", "iris" or "wine".
        recipe: A named recipe, a TOML file or a `Recipe`; "table" is the one for tables.
        model: A backbone or net by name; any timm model works where its weights are available. Of a table:
            models to try, such as "linear, CatBoost".
        strategy: "auto", "probe", "inline", "finetune" or "scratch"; "auto" unless the recipe says otherwise.
        weights: A weight file, or a folder of them with their cards.
        budget: Time for everything, from the start of the process: "90s", "10m", "1h30m", or seconds. `auto`
            takes 10 minutes, a table 4.5; a named strategy or recipe runs to its end unless one is given.
        seed: Seed of the training.
        split_seed: Seed of the split.
        device: "auto", "cpu", "cuda" or "mps"; tables train on the processor.
        out: The run folder; `runs/<data>-<n>` unless set.
        resume: Go on with the unfinished run in `out`, or with the newest of this data in `runs/`.
        imbalance: What to do about class imbalance: "auto", "none", "weights", "sampling", "augment",
            "smote", "focal" or "thresholds"; what the recipe says unless set.
        prefer: What to keep of several backbones: "accuracy", or the cheapest answer that is shown to lose at
            most 0.5 points ("balance", the default) or 2 points ("speed").
        set: Settings of the recipe to change, such as `{"train.learning_rate": 3e-4}`, of a table
            `{"table.epochs": 20}`.
        folds: Of a table of fewer than 2,000 rows: number of folds of the cross-validation (default 5).
        repeats: Of such a table: how often the cross-validation is repeated (default 3).
        decisions: What you decided about labels: the `label_issues.csv` of a run with `verdict` (keep,
            relabel or set_aside) and `new_label` filled in, or "suggested:RUN" for the suggestions of a run.
            They are applied after the split, to train and val, and to nothing that has changed since.
        cost: What wrong answers cost, as a CSV file: first column the truth, then a column for each predicted
            class and, where a person may decide instead, one named `abstain`. Answers then have a `decision`
            of least expected cost beside `predicted`.
        with_neighbours: Put small training images with their labels into the bundle, so that `explain` shows
            the nearest ones without the run. Photos are private: its model card says so.
        lang: Language of the report, "en" or "ko".
        track: "mlflow[:URI]" or "tensorboard[:DIR]": where settings, epochs and scores are logged too.
        listener: Receives messages and progress; prints to standard output unless set.
        **reading: How the data are read, see `ReadingOptions`.

    Returns:
        The finished run.

    Raises:
        ValueError: If an argument is wrong, or `resume` finds a run with other data or settings.
        DataError: If the data hold nothing to learn from.
        ModelError: If the model or its weights are not available.
        DeviceError: If the machine lacks the device, memory or disk space.

    Example:
        >>> run = train("digits")  # doctest: +SKIP
        >>> run.metrics["test"]["accuracy"]["value"] > 0.95  # doctest: +SKIP
        True
    """
    given = {**locals(), "settings": set}
    request, options = record_of(RunRequest, given), record_of(TrainingOptions, given)
    read_as = ReadingOptions.of(reading, train)
    listener = request.hears
    with Beside() as beside:
        pipeline = open_pipeline(
            data, read_as, options, split_seed=split_seed, listener=listener, beside=beside
        )
        return carry_out(pipeline, request, beside)
