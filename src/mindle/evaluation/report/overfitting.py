"""Over-fitting in words: how far training runs ahead of the test, and whether chance could do that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindle.evaluation.intervals import difference
from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.formatting import percent, points
from mindle.evaluation.report.sentences import Sentences

Verdict = Literal["none", "some", "strong", "reversed"]
STRONG = 0.05  # five points: the gap at which one usually does something about it
Share = tuple[float, int]  # an accuracy, and of how many


@dataclass(frozen=True, kw_only=True)
class Overfitting:
    """The gap between what a model can do on images it has learnt and on images it has not.

    Attributes:
        verdict: "none" (chance could explain it), "some", "strong" (five points or more) or "reversed" (the
            test is better).
        gap, low, high: Training minus test accuracy with its interval.
        flattered: Whether validation stands above the test by more than chance, from choosing on it.
        sentence: All of that for people.
    """

    verdict: Verdict
    gap: float
    low: float
    high: float
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

    Returns:
        The verdict, the gap with its 95 % interval, and a sentence or two.

    Source:
        The interval of a difference of proportions: Newcombe 1998, method 10.

    Example:
        >>> found = overfitting((0.99, 1500), (0.90, 400), say=Sentences("en"))
        >>> found.verdict, round(found.gap, 2)
        ('strong', 0.09)
    """
    gap, low, high = difference(train, test)
    verdict: Verdict = "none"
    if high < 0:
        verdict = "reversed"
    elif low > 0:
        verdict = "strong" if gap >= STRONG else "some"
    known = {"train_out_of_fold" if out_of_fold else "train": train, "val": val, "test": test}
    listed = ", ".join(
        f"{say(f'part.{split}')} {percent(share[0])}" for split, share in known.items() if share
    )
    sentences = [
        say("overfit.accuracies", listed=listed, gap=points(gap), low=points(low), high=points(high)),
        say(f"overfit.{verdict}"),
    ]
    lead, lead_low, _ = difference(val, test) if val else (0.0, 0.0, 0.0)
    if lead_low > 0:
        sentences.append(say("overfit.flattered", gap=points(lead)))
    return Overfitting(
        verdict=verdict, gap=gap, low=low, high=high, flattered=lead_low > 0, sentence=" ".join(sentences)
    )


def overfitting_of(content: ReportContent, say: Sentences) -> tuple[bool, str] | None:
    """Whether the gap of a run is harmless, with the sentence; None where training is not known."""
    trained, learned = content.data.total("train"), content.train_score("accuracy")
    if learned is None or not trained:
        return None
    val, test = content.validation, content.test
    found = overfitting(
        (learned[0], trained),
        (test["accuracy"]["value"], int(test["n"])),
        val=(val["accuracy"]["value"], int(val["n"])) if val else None,
        out_of_fold=learned[1],
        say=say,
    )
    return found.verdict != "strong" and not found.flattered, found.sentence
