"""Over-fitting in a sentence: how far training runs ahead of the test, and whether chance could do that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mindle.evaluation.intervals import difference
from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.formatting import percent, points
from mindle.evaluation.report.sentences import Sentences

STRONG = 0.05  # five points: the gap at which one usually does something about it
Share = tuple[float, int]  # an accuracy, and of how many


class Overfitting(NamedTuple):
    """The gap between what a model can do on images it has learned from and on images it has not.

    Attributes:
        verdict: "none" (chance could explain it), "some", "strong" (five points or more) or "reversed" (the
            test is better).
        flattered: Whether validation stands above the test by more than chance, from choosing on it.
        sentence: All of that for people, with the gap and its 95 % interval.
    """

    verdict: str
    flattered: bool
    sentence: str


def overfitting(
    train: Share, test: Share, *, val: Share | None = None, out_of_fold: bool = False, say: Sentences
) -> Overfitting:
    """Compare accuracies that are each (share, number of images).

    Args:
        train: On the training images.
        test: On the test split.
        val: On the validation split, where there is one.
        out_of_fold: Whether that on the training images is of models that had not seen them.
        say: Of the page.

    Source:
        The interval of a difference of proportions: Newcombe 1998, method 10.

    Example:
        >>> overfitting((0.99, 1500), (0.90, 400), say=Sentences("en")).verdict
        'strong'
    """
    gap, low, high = difference(train, test)
    verdict = "reversed" if high < 0 else "none" if low <= 0 else "strong" if gap >= STRONG else "some"
    known = {"train_out_of_fold" if out_of_fold else "train": train, "val": val, "test": test}
    listed = ", ".join(f"{say(f'split.{split}')} {percent(each[0])}" for split, each in known.items() if each)
    ends = {"gap": points(gap), "low": points(low), "high": points(high)}
    sentences = [say("overfit.accuracies", listed=listed, **ends), say(f"overfit.{verdict}")]
    lead, lead_low, _ = difference(val, test) if val else (0.0, 0.0, 0.0)
    if lead_low > 0:
        sentences.append(say("overfit.flattered", gap=points(lead)))
    return Overfitting(verdict, lead_low > 0, " ".join(sentences))


def overfitting_of(content: ReportContent, say: Sentences) -> tuple[bool, str] | None:
    """Whether the gap of a run is harmless, with the sentence; None where training is not known."""
    trained, learned = content.data.total("train"), content.train_score("accuracy")
    if learned is None or not trained:
        return None
    val = _accuracy(content.validation) if content.validation else None
    found = overfitting(
        (learned[0], trained), _accuracy(content.test), val=val, out_of_fold=learned[1], say=say
    )
    return found.verdict != "strong" and not found.flattered, found.sentence


def _accuracy(block: Mapping[str, Any]) -> Share:
    return block["accuracy"]["value"], int(block["n"])
