"""The figures of docs/benchmarks.md, made from the files in `benchmarks/results`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.__main__ import names
from benchmarks._turns import hardest

RESULTS = Path(__file__).parent / "results"
Found = Mapping[str, Any]
ORDER = (
    "targets", "folder_to_report", "limits", "embed_rate", "predict_rate", "cold_start", "loop_rate",
    "fit_rate", "augment_rate", "decode_rate", "penalty_path", "tune_rate", "near_duplicates", "many_images",
    "budget", "labels", "shortcuts", "certify", "explain", "tables", "cv_intervals", "calibration",
    "unknown",
)  # fmt: skip


def page() -> str:
    """A section for each benchmark that has results: what it measures, its commands, its figures."""
    results = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(RESULTS.glob("*.json"))]
    about = names()
    known = [*ORDER, *(name for name in about if name not in ORDER)]
    sections = _overview(sorted(results, key=lambda result: known.index(result["benchmark"])))
    for name in known:
        own = [result for result in results if result["benchmark"] == name]
        if own:
            sections += [f"## {HEADINGS.get(name, name)}", about[name], *map(_block, own)]
    return "\n\n".join(sections)


def _overview(results: Sequence[Found]) -> list[str]:
    """One row for each comparison: the side that mindle is least ahead of, or furthest behind."""
    lines = [*_table("work", "against", "mindle is … times as fast")]
    for result in results:
        for case, found in _cases(result["found"]).items():
            if found["ratio"]:
                side, ratio = hardest(found)
                work = HEADINGS.get(result["benchmark"], result["benchmark"])
                lines.append(_row(f"{work}, {case}" if case else work, side, _times(ratio)))
    if len(lines) == 2:
        return []
    return [
        "## Speed in one table",
        "Each against the side that comes nearest to it; the commands stand below.",
        "\n".join(lines),
    ]


def _cases(found: Found) -> dict[str, Found]:
    """Sides that took turns, in one case or in several by name."""
    if "sides" in found:
        return {"": found}
    cases = {name: one for name, one in found.items() if isinstance(one, Mapping) and "sides" in one}
    return {name.replace("_", " "): one for name, one in cases.items()}


def _times(ratio: Found) -> str:
    alone = ratio["lowest"] == ratio["highest"]
    spread = "one round" if alone else f"{ratio['lowest']:.3g} to {ratio['highest']:.3g}"
    return f"{ratio['median']:.3g} ({spread})"


def _four(value: float) -> str:
    """Four figures that count, without an exponent."""
    short = float(f"{value:.4g}")
    return f"{short:,.0f}" if abs(short) >= 1000 else f"{short:g}"


def _block(result: Found) -> str:
    where = result["surroundings"]
    load = f", load {where['load'][0]}" if where.get("load") else ""
    others = where.get("others_cpu_share")
    load += f", others used {others:.0%} of the machine" if others is not None else ""
    model = f" ({where['processor']})" if where.get("processor") else ""
    lines = [
        f"`{result['command']}`, {where['date']}, {where['cores']} cores{model}{load}:",
        "",
        *TABLES.get(result["benchmark"], _plain)(result["found"]),
    ]
    return "\n".join(lines)


def _table(*header: str) -> list[str]:
    return ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]


def _row(*cells: Any) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _plain(found: Found) -> Iterator[str]:
    """Sides that took turns, or each figure by its name."""
    if cases := _cases(found):
        yield from _turns(cases)
        return
    yield from _table("figure", "value")
    for name, value in found.items():
        yield _row(name.replace("_", " "), value)


def _turns(cases: Found) -> Iterator[str]:
    """A row for each side: its median, and how many times as fast ours is, from lowest to highest."""
    yield from _table("work", "side", "one takes, ms", "a second", "mindle is … times as fast")
    for case, found in cases.items():
        for side, median in found["sides"].items():
            ratio = found["ratio"].get(side)
            yield _row(
                case,
                side,
                _four(median["seconds_a_unit"] * 1000),
                _four(median["units_a_second"]),
                _times(ratio) if ratio else "",
            )
        for side, reason in found.get("skipped", {}).items():
            yield _row(case, side, "", "", reason)


def _limits(found: Found) -> Iterator[str]:
    yield from _table("limit", "a second")
    for name, rate in found["limits"].items():
        yield _row(name, _four(rate))
    for net, one in found["forward"].items():
        best: dict[str, str] = {}
        for way, rate in sorted(one["images_a_second"].items(), key=lambda item: -item[1]):
            best.setdefault(way.partition(",")[0], f"{_four(rate)} ({way.partition(', ')[2]})")
        for engine, rate in best.items():
            yield _row(f"{net} at {one['size']} px forward in float32, {engine}, images", rate)


def _targets(found: Found) -> Iterator[str]:
    yield from _table("command", "test accuracy (95 % interval)", "seconds", "ms per image")
    for one in found.values():
        accuracy = one["accuracy"]
        yield _row(
            f"`{one['command']}`",
            f"{accuracy['value']:.1%} ({accuracy['low']:.1%} to {accuracy['high']:.1%}, n = {one['n']:,})",
            f"{one['wall_seconds']:,.0f}",
            one.get("milliseconds_per_image") or "",
        )


def _intervals(found: Found) -> Iterator[str]:
    yield from _table("score", "interval", "covered the truth: mean (least to most)", "width")
    for scale, candidates in found["summary"].items():
        score = "accuracy" if scale == "share" else "mean absolute error"
        for name, one in candidates.items():
            held = f"{one['mean']:.1%} ({one['least']:.1%} to {one['most']:.1%})"
            yield _row(score, name, held, f"{one['width']:.2f}")


def _tables(found: Found) -> Iterator[str]:
    if "mean" in found:
        yield from _table("seed", "MAE", "RMSE", "r", "coverage of 90 % intervals")
        for one in [*found["seeds"], {**found["mean"], "seed": "mean"}]:
            yield _row(one["seed"], *(f"{one[name]:.3f}" for name in ("mae", "rmse", "r", "coverage")))
        return
    yield from _table("table", "model", "loss", "mindle's minus its own (2 standard errors)")
    for table, models in found.items():
        for name, one in models.items():
            gaps = {key: value for key, value in one.items() if key.endswith("_against_mindle")}
            losses = {key: one[key] for key in one if key not in gaps and key != "seconds_a_fold"}
            yield _row(
                table,
                name,
                ", ".join(f"{key.replace('_', ' ')} {value:.4g}" for key, value in losses.items()),
                ""
                if name == "mindle"
                else ", ".join(
                    f"{key.removesuffix('_against_mindle').replace('_', ' ')} {gap:+.4g} ({error:.2g})"
                    for key, (gap, error) in gaps.items()
                ),
            )


def _many_images(found: Found) -> Iterator[str]:
    yield from _table("images", "command", "seconds", "of the processors", "largest private memory, MB")
    for size in found["sizes"]:
        for name in found["growth"]:
            one = size[name]
            yield _row(
                f"{size['images']:,}",
                f"`mindle {name}`",
                one["seconds"],
                one["processor_seconds"],
                one["private_mb"],
            )


def _budget(found: Found) -> Iterator[str]:
    yield from _table("run", "budget, s", "took, s", "ratio")
    for one in found["runs"]:
        yield _row(
            one["name"], f"{one['budget_seconds']:.0f}", f"{one['wall_seconds']:.1f}", f"{one['ratio']:.2f}"
        )


def _labels(found: Found) -> Iterator[str]:
    """The untouched set and what came of exchanged labels: mean, least and most over the seeds."""
    untouched, seeds, accuracy = found["untouched"], len(found["seeds"]), found["accuracy"]

    def shares(one: Found) -> str:
        return f"{one['mean']:.1%} ({one['least']:.1%} to {one['most']:.1%})"

    yield from _table("figure", f"mean of {seeds} seeds (least to most)")
    yield _row("exchanged labels in the first 10 % of the list", shares(found["found_in_first_tenth"]))
    yield _row("estimated share of wrong labels, 5 % being exchanged", shares(found["share"]))
    yield _row("its 95 % interval holds the exchanged share", f"{found['interval_covers']} of {seeds}")
    yield _row("estimated share, untouched", f"{untouched['share']['value']:.2%}")
    yield _row(
        "suggestions at 90 % stated precision that were exchanged", shares(found["precision_of_suggestions"])
    )
    yield _row("such suggestions for the untouched set", untouched["suggested"])
    yield _row("test accuracy, untouched", f"{untouched['accuracy']['value']:.1%}")
    yield _row("test accuracy, exchanged", shares(accuracy["exchanged"]))
    yield _row("test accuracy, suggestions applied and trained again", shares(accuracy["mended"]))
    yield _row("paired interval of that against untouched holds 0", f"{found['mended_as_clean']} of {seeds}")


def _certify(found: Found) -> Iterator[str]:
    """A certificate: its time, then each corruption as the mean over its severities."""
    for name, one in found.items():
        seconds, count = f"{one['certify_seconds']:.0f} s", f"{one['n']:,} of {one['of']:,}"
        latency = f"{one['latency'][0]['p95']:.3g} ms for one (95 %)"
        yield f"{name}: {seconds} with a budget of {one['budget']}, {count}, {latency}, {one['size_mb']} MB"
        yield ""
        rows = {"as they are": one["clean"], **one["corruptions"], **one["irrelevant"]}
        scores = list(dict.fromkeys(score for row in rows.values() for score in row))
        yield from _table("input", *scores)
        for title, row in rows.items():
            yield _row(title, *(f"{row[score]:.3f}" if score in row else "" for score in scores))


def _explain(found: Found) -> Iterator[str]:
    """In what share of the images each map passes, what catches it, and its seconds."""
    shares = {
        "deletion": "deletion beats random places",
        "pixels": "deletion beats random pixels, filled in",
        "moved": "deletion beats the map moved",
        "insertion": "insertion beats random places",
    }
    for name, one in found.items():
        off = one["largest_difference_from_torch"]
        yield f"{name}, {one['n']} images; the bundle's occlusion maps lie {off:.1g} from PyTorch's at most:"
        yield ""
        yield from _table("map", *shares.values(), "correlation, shuffled weights", "fails by", "seconds")
        for method, each in one["methods"].items():
            cells = [f"{s['value']:.0%} ({s['low']:.0%} to {s['high']:.0%})" for s in map(each.get, shares)]
            alike = f"{each['shuffled']['value']:.2f}"
            yield _row(method, *cells, alike, ", ".join(each["failures"]), f"{each['seconds']:.3g}")
        yield ""


def _calibration(found: Found) -> Iterator[str]:
    """Errors of calibration beside chance, and label sets beside what they promise."""
    yield from _table("test part", "error", "by chance", "1 in 20 by chance above", "within", "accuracy")
    for name, one in found["calibration"].items():
        within = f"{one['within']:.0%} of {one['seeds']} seeds"
        chance = one["by_chance"], one["by_chance_high"]
        yield _row(name, one["ece"], *chance, within, f"{one['accuracy']:.1%}")
    yield ""
    yield from _table("label sets of", "coverage", "least", "mean size", "largest", "splits")
    for level, one in found["label_sets"].items():
        shares = f"{one['coverage']:.1%}", f"{one['least_coverage']:.1%}"
        yield _row(f"{float(level):.0%}", *shares, one["size"], one["largest_size"], one["splits"])


def _unknown(found: Found) -> Iterator[str]:
    """What each model refuses, with intervals."""
    shown = list(dict.fromkeys(name for one in found.values() for name in one["refused"]))
    yield from _table("refused", *(f"by a model of {name}" for name in found))
    for name in shown:
        scores = [one["refused"].get(name) for one in found.values()]
        cells = [
            f"{one['value']:.1%} ({one['low']:.1%} to {one['high']:.1%}, n = {one['n']})" if one else ""
            for one in scores
        ]
        yield _row(name, *cells)


def _shortcuts(found: Found) -> Iterator[str]:
    """Data as they are, what was planted, and slices: a table each."""
    yield from _table(
        "untouched data", "alarms", "what says most alone", "ROC AUC or R²", "right answers (chance)"
    )
    for name, one in found["untouched"].items():
        yield _row(name, _alarms(one["alarms"]), *_cue(one["most"]))
    yield ""
    yield from _table(
        "planted in one class", "named", "cue", "ROC AUC", "right answers (chance)", "region", "beside it"
    )
    for name, kinds in found["planted"].items():
        for kind, one in kinds.items():
            region = (one["alarm"] or {}).get("region", "")
            named, others = "yes" if one["named"] else "no", ", ".join(one["others"])
            named = named if one["alarm"] or not one["named"] else "no alarm"
            yield _row(f"{name}, {kind}", named, *_cue(one["alarm"]), region, others)
    yield ""
    yield from _table("column planted in a table", "named as", "R²")
    for name, noises in found["tables"].items():
        for noise, one in noises.items():
            yield _row(f"{name}, {noise}", ", ".join(one["finding"]) or "not named", f"{one['figure']:.3f}")
    if found.get("slices"):
        yield ""
        yield from _table(
            "a fifth darkened in test", "wrong there", "wrong elsewhere", "slices that are named"
        )
        for name, one in found["slices"].items():
            wrong = "" if one["wrong_among_them"] is None else f"{one['wrong_among_them']:.0%}"
            yield _row(name, wrong, f"{one['wrong_elsewhere']:.0%}", "; ".join(one["slices"][:1]) or "none")


def _alarms(alarms: Sequence[Found]) -> str:
    return ", ".join(each["cue"] for each in alarms) or "none"


def _cue(one: Found | None) -> tuple[str, str, str]:
    """A cue, its ROC AUC or R² with the lower end, and its share of right answers where there are classes."""
    if one is None:
        return "", "", ""
    name = f"{one['cue']} ({one['detail']})" if "detail" in one else one["cue"]
    right = f"{one['score']:.0%} ({one['chance']:.0%})" if "label" in one else ""
    return name, f"{one['figure']:.2f} ({one['low']:.2f})", right


HEADINGS = {
    "calibration": "Calibration and label sets",
    "unknown": "Unknown inputs",
    "shortcuts": "Shortcuts and slices",
    "certify": "Certificates",
    "explain": "Maps",
    "labels": "Wrong labels",
    "gpu": "One graphics card",
    "limits": "Limits of the machine",
    "folder_to_report": "A folder to a report",
    "embed_rate": "Embedding",
    "targets": "Accuracy of whole commands",
    "budget": "Budgets on a busy machine",
    "tables": "Tables",
    "cv_intervals": "Intervals of cross-validation",
    "loop_rate": "The training loop",
    "predict_rate": "Prediction",
    "cold_start": "One picture, cold",
    "many_images": "Many images",
    "decode_rate": "Decoding large photos",
    "near_duplicates": "Near duplicates",
    "penalty_path": "Paths of penalties",
    "tune_rate": "Search",
    "mutations": "Damaged files",
    "fit_rate": "Training from scratch",
    "augment_rate": "Augmentation",
}
TABLES: dict[str, Callable[[Found], Iterator[str]]] = {
    "calibration": _calibration,
    "unknown": _unknown,
    "certify": _certify,
    "explain": _explain,
    "labels": _labels,
    "shortcuts": _shortcuts,
    "targets": _targets,
    "budget": _budget,
    "limits": _limits,
    "tables": _tables,
    "cv_intervals": _intervals,
    "many_images": _many_images,
}
