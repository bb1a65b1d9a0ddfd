"""`mindle compare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mindle.messages import message
from mindle.text import printable


def compare(runs: Sequence[str], *, lang: str = "en", json: str | None = None, **options: Any) -> None:
    """Compare runs by a paired test.

    They are compared on the test images or rows that all of them predicted; each difference has its interval
    and its p value.
    """
    import mindle
    from mindle.cli.output import print_table, show

    found = mindle.compare(runs, lang=lang, **options)
    scores = [name for name in found.runs[0]["scores"] if all(name in run["scores"] for run in found.runs)]
    rows = [
        (
            run["name"],
            run["strategy"],
            *(_score(name, run["scores"][name]) for name in scores),
            message("report.unit.seconds", n=f"{run['seconds']:.0f}"),
        )
        for run in found.runs
    ]
    if not show(found.as_dict(), json, ("run", "strategy", *scores, "time"), rows):
        return
    for sentence in found.sentences(lang):
        print(f"\n{printable(sentence)}")
    if len(found.pairs) > 1:
        print()
        pairs = [
            (f"{two} − {one}", _gap(comparison.main), f"{comparison.main.chance:.3g}", f"{adjusted:.3g}")
            for one, two, comparison, adjusted in found.pairs
        ]
        print_table(("pair", found.pairs[0][2].main.name, "chance", "adjusted"), pairs)


def _score(name: str, score: dict[str, float | None]) -> str:
    shown = "{:.1%}" if name in ("accuracy", "macro_f1") else "{:.4g}"
    value, low, high = (None if end is None else shown.format(end) for end in score.values())
    return f"{value}" if low is None else f"{value} [{low}, {high}]"


def _gap(difference: Any) -> str:
    scale, digits = (100, ".1f") if difference.name == "accuracy" else (1, ".4g")
    value, low, high = (
        f"{end * scale:+{digits}}" for end in (difference.value, difference.low, difference.high)
    )
    return f"{value} [{low}, {high}]"
