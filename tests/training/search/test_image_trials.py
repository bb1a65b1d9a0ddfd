"""One trial: judged as the ladder and the loop would, on nothing of the test part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mindle.data
from mindle.data import Pixels, typical_size
from mindle.errors import DataError
from mindle.models.pretrained.weights import find_weights
from mindle.records import SILENT, InputSpec, Listener
from mindle.training.budget import Deadline, TimeUp
from mindle.training.images.class_selection import ClassSelection
from mindle.training.images.nets import train_net
from mindle.training.images.plan import cards_of
from mindle.training.images.problem import Problem
from mindle.training.loop.job import TrainingContext
from mindle.training.recipe import Recipe, from_dict, read_recipe, with_settings
from mindle.training.search.image_trials import Bench, Shelf
from mindle.training.search.judge import Pruned
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
    """Writes down which parts' pixels it was asked for."""

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


# ── nets ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_net_is_judged_as_the_loop_judges_it_and_reports_its_epochs() -> None:
    problem = digits()
    heard: list[tuple[int, float]] = []

    def report(epoch: int, loss: float) -> bool:
        heard.append((epoch, loss))
        return True

    score = Bench(problem=problem).judge(NET, report=report)
    outcome = train_net(problem, NET)
    labels = problem.truth[problem.val]
    known = outcome.val_answers[np.arange(len(labels)), labels]
    assert score.value == pytest.approx(-np.log(known).mean())
    assert score.images == len(labels)
    assert heard == [(row["epoch"], row["val_loss"]) for row in outcome.history]
    assert set().union(*problem.asked) == {"train", "val"}


def test_a_net_is_given_up_where_the_report_says_so() -> None:
    with pytest.raises(Pruned, match="after epoch 2 of 3"):
        Bench(problem=digits()).judge(NET, report=lambda epoch, loss: epoch < 2)


def test_a_net_ends_with_the_time() -> None:
    with pytest.raises(TimeUp, match="after epoch 1 of 3"):
        Bench(problem=digits(), deadline=Deadline(1e-9)).judge(NET)


def test_a_net_that_was_cut_short_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    problem, whole = digits(), Bench(problem=digits()).judge(NET)
    with pytest.raises(KeyboardInterrupt):
        Bench(problem=problem, folder=tmp_path).judge(NET, number=4, report=_interrupting)
    assert (tmp_path / "4").is_dir()
    heard: list[int] = []
    again = Bench(problem=problem, folder=tmp_path).judge(
        NET, number=4, report=lambda epoch, loss: not heard.append(epoch)
    )
    assert again.value == whole.value
    assert not (tmp_path / "4").exists()


def _interrupting(epoch: int, loss: float) -> bool:
    if epoch == 2:
        raise KeyboardInterrupt
    return True


def test_nets_need_a_val_part() -> None:
    problem = digits()
    bare = replace(problem, train=np.arange(len(problem)), val=np.arange(0))
    with pytest.raises(DataError, match="Give the data a val part"):
        Bench(problem=bare).judge(NET)


def test_auto_is_no_trial() -> None:
    with pytest.raises(ValueError, match="a strategy of its own"):
        Bench(problem=digits()).judge(Recipe())


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
def test_a_head_is_judged_as_the_ladder_judges_its_recipe(
    recipe: Recipe, tmp_path: Path, cache: Path
) -> None:
    problem = photos(tmp_path)
    score = Bench(problem=problem, threads=1).judge(recipe)
    cards, deadline = cards_of(recipe, None), Deadline(None)
    outcome = ClassSelection(
        problem, cards=cards, recipe=recipe, context=TrainingContext(deadline=deadline, threads=1)
    ).heads_only()
    chosen = next(attempt for attempt in outcome.tried if attempt["chosen"])
    assert f"{score.accuracy:.1%} of {score.images}" in chosen["note"]
    assert f"log loss {score.value:.3f}" in chosen["note"]
    assert "test" not in set().union(*problem.asked)


def test_trials_share_what_they_have_in_common(tmp_path: Path, cache: Path) -> None:
    problem = photos(tmp_path)
    bench = Bench(problem=problem, threads=1)
    bench.embed([head(["rbf"])])
    asked = len(problem.asked)
    values = [bench.judge(head(["rbf"], rbf_gamma=gamma, rbf_l2=0.1)).value for gamma in (0.5, 1.0, 2.0)]
    assert len(problem.asked) == asked
    assert len(set(values)) == 3
    assert bench.judge(head(["net"], net_units=8)).images == len(problem.train) + len(problem.val)


def test_the_shelf_lets_go_of_what_was_not_used_for_longest() -> None:
    class HeldOutPredictions:
        def __init__(self) -> None:
            self.array = np.zeros(100, np.uint8)

    shelf = Shelf(250)
    first = shelf.once("a", HeldOutPredictions)
    shelf.once("b", HeldOutPredictions)
    assert shelf.once("a", HeldOutPredictions) is first
    shelf.once("c", HeldOutPredictions)  # b goes
    assert shelf.once("a", HeldOutPredictions) is first
    made: list[str] = []
    shelf.once("b", lambda: made.append("b"))
    assert made == ["b"]


def test_the_embedded_backbone_is_there() -> None:
    assert any(card.model == LITE for card in find_weights())
