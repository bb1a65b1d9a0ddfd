"""One trial: scored as model selection and the loop would, on nothing of the test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mindle.data
from mindle.artifacts.manifest import write_manifest
from mindle.data import Pixels, typical_size
from mindle.errors import DataError
from mindle.models.pretrained.weights import find_weights
from mindle.records import SILENT, InputSpec, Listener
from mindle.training.budget import Deadline, TimeUp
from mindle.training.images.classification import ClassSelection
from mindle.training.images.nets import train_net
from mindle.training.images.options import cards_of
from mindle.training.images.problem import Problem
from mindle.training.loop.job import TrainingContext
from mindle.training.recipe import Recipe, from_dict, read_recipe, with_settings
from mindle.training.search.images import ImageOrigin, ImageTask, LRUCache
from mindle.training.search.space import Space, make_space
from mindle.training.search.task import Pruned, Score, TrialMonitor
from tests.pictures import photo_folder

LAYERS = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
NET = from_dict(
    {
        "strategy": "scratch",
        "model": {"layers": LAYERS},
        "train": {"epochs": 3, "batch_size": 128, "learning_rate": 0.01},
    }
)
LITE = "tf_efficientnet_lite0"


@dataclass(frozen=True, kw_only=True, eq=False)
class Counted(Problem):
    """Writes down which splits' pixels it was asked for."""

    asked: list[set[str]] = field(default_factory=list)

    def pixels(self, rows: NDArray[np.int64], spec: InputSpec, listener: Listener = SILENT) -> Pixels:
        self.asked.append({"train" if row in self.train else "val" for row in rows.tolist()})
        return super().pixels(rows, spec, listener)


def digits() -> Counted:
    dataset = mindle.data.split(mindle.data.check(mindle.data.read("digits")))
    return Counted.of(dataset, typical_size=(8, 8))


def photos(folder: Path) -> Counted:
    dataset = mindle.data.split(mindle.data.check(mindle.data.read(photo_folder(folder / "photos", 12))))
    return Counted.of(dataset, typical_size=typical_size(dataset))


def head(kinds: Sequence[str], **settings: Any) -> Recipe:
    """A recipe for heads on the embedded backbone that leaves nothing open."""
    named = {f"probe.{name}": value for name, value in settings.items()}
    return with_settings(
        read_recipe("probe"),
        {"model.name": LITE, "probe.views": 0, "probe.folds": 3, "probe.heads": list(kinds), **named},
    )


def space(entries: dict[str, Any], base: Recipe) -> Space:
    return make_space(entries, {base.strategy: base}, base.strategy)


RATES = space({"train.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}, NET)
GAMMAS = {"probe.rbf_gamma": {"low": 0.1, "high": 4.0}}


def evaluated(task: ImageTask, recipe: Recipe, report: Any = lambda *_: True, **monitor: Any) -> Score:
    return task.evaluate(recipe, TrialMonitor(report=report, **monitor))


# ── nets ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_net_is_scored_as_the_loop_scores_it_and_reports_its_epochs() -> None:
    problem = digits()
    heard: list[tuple[int, float]] = []

    def report(epoch: int, loss: float) -> bool:
        heard.append((epoch, loss))
        return True

    score = evaluated(ImageTask(problem=problem, space=RATES), NET, report)
    outcome = train_net(problem, NET)
    labels = problem.truth[problem.val]
    known = outcome.val_answers[np.arange(len(labels)), labels]
    assert score.value == pytest.approx(-np.log(known).mean())
    assert heard == [(row["epoch"], row["val_loss"]) for row in outcome.history]
    assert set().union(*problem.asked) == {"train", "val"}


def test_a_net_is_pruned_where_the_report_says_so() -> None:
    with pytest.raises(Pruned, match="pruned after epoch 2 of 3"):
        evaluated(ImageTask(problem=digits(), space=RATES), NET, lambda epoch, loss: epoch < 2)


def test_a_net_ends_with_the_time() -> None:
    with pytest.raises(TimeUp, match="after epoch 1 of 3"):
        evaluated(ImageTask(problem=digits(), space=RATES), NET, deadline=Deadline(1e-9))


def test_a_net_that_was_cut_short_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    problem, whole = digits(), evaluated(ImageTask(problem=digits(), space=RATES), NET)
    task = ImageTask(problem=problem, space=RATES, folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        evaluated(task, NET, _interrupting, number=4)
    assert (tmp_path / "4").is_dir()
    heard: list[int] = []
    again = evaluated(task, NET, lambda epoch, loss: not heard.append(epoch), number=4)
    assert again.value == whole.value
    assert not (tmp_path / "4").exists()


def _interrupting(epoch: int, loss: float) -> bool:
    if epoch == 2:
        raise KeyboardInterrupt
    return True


def test_nets_need_a_val_split() -> None:
    problem = digits()
    bare = replace(problem, train=np.arange(len(problem)), val=np.arange(0))
    with pytest.raises(DataError, match="Give the data a val split"):
        evaluated(ImageTask(problem=bare, space=RATES), NET)


def test_auto_is_no_trial() -> None:
    with pytest.raises(ValueError, match="must name its strategy"):
        evaluated(ImageTask(problem=digits(), space=RATES), Recipe())


# ── heads ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "recipe",
    [
        head(["rbf"], rbf_gamma=0.6, rbf_l2=0.05),
        head(["logistic"], logistic_l2=0.02),
        head(["rbf", "logistic"], rbf_gamma=2.0, rbf_l2=1.0, logistic_l2=0.5),
    ],
    ids=["rbf", "logistic", "both"],
)
def test_a_head_is_scored_as_model_selection_scores_it(recipe: Recipe, tmp_path: Path, cache: Path) -> None:
    problem = photos(tmp_path)
    score = evaluated(ImageTask(problem=problem, space=space(GAMMAS, recipe), threads=1), recipe)
    cards, deadline = cards_of(recipe, None), Deadline(None)
    outcome = ClassSelection(
        problem, cards=cards, recipe=recipe, context=TrainingContext(deadline=deadline, threads=1)
    ).heads_only()
    chosen = next(attempt for attempt in outcome.tried if attempt["chosen"])
    assert f"{score.accuracy:.1%} of {len(problem)}" in chosen["note"]
    assert f"log loss {score.value:.3f}" in chosen["note"]
    assert "test" not in set().union(*problem.asked)


def test_trials_share_what_they_have_in_common(tmp_path: Path, cache: Path) -> None:
    problem = photos(tmp_path)
    task = ImageTask(problem=problem, space=space(GAMMAS, head(["rbf"])), threads=1)
    task.prepare()
    asked = len(problem.asked)
    recipes = [head(["rbf"], rbf_gamma=gamma, rbf_l2=0.1) for gamma in (0.5, 1.0, 2.0)]
    values = [evaluated(task, recipe).value for recipe in recipes]
    assert len(problem.asked) == asked
    assert len(set(values)) == 3
    assert "net head" in evaluated(task, head(["net"], net_units=8)).note


def test_the_cache_drops_what_was_least_recently_used() -> None:
    class Kept:
        def __init__(self) -> None:
            self.array = np.zeros(100, np.uint8)

    cache = LRUCache(250)
    first = cache.get("a", Kept)
    cache.get("b", Kept)
    assert cache.get("a", Kept) is first
    cache.get("c", Kept)  # b goes
    assert cache.get("a", Kept) is first
    made: list[str] = []
    cache.get("b", lambda: made.append("b"))
    assert made == ["b"]


def test_the_data_come_back_from_the_manifest(tmp_path: Path, cache: Path) -> None:
    photos = photo_folder(tmp_path / "photos", 6, dirty=True)
    dataset = mindle.data.split(mindle.data.check(mindle.data.read(photos)))
    write_manifest(tmp_path / "manifest.csv", dataset)
    origin = ImageOrigin(
        source=str(photos),
        reading={},
        split_seed=0,
        manifest=str(tmp_path / "manifest.csv"),
        classes=dataset.classes,
    )
    again = origin.dataset()
    for name in ("classes", "paths", "groups", "set_aside", "sha256", "splits"):
        assert getattr(again, name) == getattr(dataset, name)
    used = dataset.rows()
    np.testing.assert_array_equal(again.labels[used], dataset.labels[used])
    (photos / "circle" / "late.png").write_bytes(b"late")
    with pytest.raises(DataError, match="come or gone"):
        origin.dataset()


def test_the_embedded_backbone_is_there() -> None:
    assert any(card.model == LITE for card in find_weights())
