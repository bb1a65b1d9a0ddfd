"""Over-fitting in words: how far training runs ahead of the test, and whether chance could do that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindle.evaluation.intervals import difference
from mindle.evaluation.report.words import Words, percent, points

Verdict = Literal["none", "some", "strong", "reversed"]
STRONG = 0.05  # five points: the gap at which one usually does something about it


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


def judge_overfitting(
    train: tuple[float, int],
    test: tuple[float, int],
    *,
    val: tuple[float, int] | None = None,
    out_of_fold: bool = False,
    lang: str = "en",
    subject: str = "images",
) -> Overfitting:
    """Compare accuracies that are each (share, number of images).

    Args:
        train: On the training images.
        test: On the sealed part.
        val: On the validation part, where there is one.
        out_of_fold: Whether that on the training images is of models that had not seen them.
        lang: "en" or "ko".
        subject: "images" or "rows", what was learnt.

    Returns:
        The verdict, the gap with its 95 % interval, and a sentence or two.

    Source:
        The interval of a difference of proportions: Newcombe 1998, method 10.

    Example:
        >>> found = judge_overfitting((0.99, 1500), (0.90, 400))
        >>> found.verdict, round(found.gap, 2)
        ('strong', 0.09)
    """
    words = Words(lang, subject)
    gap, low, high = difference(train, test)
    verdict: Verdict = "none"
    if high < 0:
        verdict = "reversed"
    elif low > 0:
        verdict = "strong" if gap >= STRONG else "some"
    known = {
        "train_out_of_fold" if out_of_fold else "train": train,
        **({"val": val} if val else {}),
        "test": test,
    }
    listed = ", ".join(f"{words(f'part.{part}')} {percent(share)}" for part, (share, _) in known.items())
    sentences = [
        words("overfit.accuracies", listed=listed, gap=points(gap), low=points(low), high=points(high)),
        words(f"overfit.{verdict}"),
    ]
    flattered = False
    if val:
        lead, lead_low, _ = difference(val, test)
        flattered = lead_low > 0
        if flattered:
            sentences.append(words("overfit.flattered", gap=points(lead)))
    return Overfitting(
        verdict=verdict, gap=gap, low=low, high=high, flattered=flattered, sentence=" ".join(sentences)
    )
