"""A paired comparison in sentences: which is better, by how much, and how easily chance does the same."""

from __future__ import annotations

from mindle.evaluation.compare import Comparison
from mindle.evaluation.paired import Difference
from mindle.evaluation.report.formatting import p_value, percent, points, signed, writer
from mindle.evaluation.report.sentences import Sentences


def verdict(
    comparison: Comparison, first: str, second: str, *, lang: str = "en", unit: str = "images"
) -> str:
    """Say what a comparison found in its main score.

    Args:
        comparison: Of the first with the second.
        first: Name of the first.
        second: Name of the second.
        lang: "en" or "ko".
        unit: "images" or "rows", what was answered.

    Example:
        >>> from mindle.evaluation.compare import Comparison
        >>> from mindle.evaluation.paired import Difference
        >>> gain = Difference(name="accuracy", first=0.9, second=0.93, value=0.03, low=0.011, high=0.05,
        ...                   chance=0.004, interval="newcombe", test="mcnemar")
        >>> verdict(Comparison(task="binary", n=500, repeats=1, differences=(gain,)), "runs/a", "runs/b")
        '“runs/b” is clearly better than “runs/a”. Accuracy over the same 500 images, “runs/b” − “runs/a”: \
+3.0 points (95% interval +1.1 to +5.0). Were both equally good, chance alone would make a difference this \
large in 4 of 1,000 tests (p = 0.004).'
    """
    say, main = Sentences(lang, unit), comparison.main
    names = {"first": first, "second": second}
    if main.better:
        loser = {"first": second, "second": first}[main.better]
        found = say("verdict.clear", winner=names[main.better], loser=loser)
    else:
        found = say("verdict.same" if main.value == 0 else "verdict.unclear", **names)
    value, low, high = gap_texts(main, say)
    texts = {"metric": say(f"metric.{main.name}"), "answered": say("unit.images", n=comparison.n), **names}
    gap = say("verdict.gap", value=value, low=low, high=high, **texts)
    chance = say("verdict.by_chance", chance=chance_text(main.chance, say), p=p_value(main.chance))
    return f"{found} {gap} {chance}"


def gap_texts(difference: Difference, say: Sentences) -> tuple[str, str, str]:
    """Value and ends of a difference as people write them: shares in points, the unit once."""
    is_share = writer(difference.name) is percent
    ends = (difference.value, difference.low, difference.high)
    value, low, high = (points(end) if is_share else signed(end) for end in ends)
    return say("verdict.points", value=value) if is_share else value, low, high


def chance_text(chance: float, say: Sentences) -> str:
    """A probability as so many of so many tests.

    Example:
        >>> [chance_text(chance, Sentences("en")) for chance in (0.0004, 0.032, 0.4)]
        ['in fewer than 1 of 1,000 tests', 'in 32 of 1,000 tests', 'in 40 of 100 tests']
    """
    if chance < 0.001:
        return say("verdict.never")
    if chance < 0.0995:
        return say("verdict.thousand", n=f"{1000 * chance:.0f}")
    if chance < 0.995:
        return say("verdict.hundred", n=f"{100 * chance:.0f}")
    return say("verdict.always")
