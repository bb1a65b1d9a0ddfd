"""The run folder: what one training decided, measured and made, written as it goes.

Every file is written whole or not at all, so that a run killed at any moment can be read and resumed.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mindle.artifacts import answers as layouts
from mindle.artifacts import files
from mindle.artifacts.outputs import keep_apart
from mindle.errors import ArtifactError, DeviceError, MindleError
from mindle.messages import message, sentences_of, with_sentences
from mindle.recipes.renamed import run_of_today, with_names_of_today
from mindle.records import Answers

SCHEMA = 1
RUNS = "runs"
FINISHED, RUNNING = "finished", "running"
# Columns of trials.csv before those of the settings, of which the score is one of two.
TRIAL_FACTS = {
    "number": int,
    "state": str,
    "log_loss": float,
    "rmse": float,
    "accuracy": float,
    "seconds": float,
    "note": str,
}


@dataclass(frozen=True)
class RunFolder:
    """The files of one run and how they are read and written."""

    path: Path

    @property
    def bundle(self) -> Path:
        """Where the bundle lies."""
        return self.path / "bundle"

    @property
    def manifest(self) -> Path:
        """Where the manifest lies."""
        return self.path / "manifest.csv"

    @property
    def report(self) -> Path:
        """Where the report lies."""
        return self.path / "report.html"

    def document(self) -> dict[str, Any]:
        """Read run.json; its sentences can be said in another language again."""
        document = run_of_today(self._stored())
        restored: dict[str, Any] = with_sentences(document, document.pop("sentences", {}))
        return restored

    def _stored(self) -> dict[str, Any]:
        return files.read_json(self.path / "run.json", schema=SCHEMA, what="run")

    @property
    def has_old_settings(self) -> bool:
        """Whether run.json names its settings as version 0.1.0 did."""
        stored = self._stored()
        return run_of_today(stored) != stored

    def write_document(self, document: Mapping[str, Any]) -> None:
        """Write run.json; beside the English text of its sentences stand their codes and values."""
        sentences = sentences_of(document)
        more = {"sentences": sentences} if sentences else {}
        files.write_json(self.path / "run.json", {"schema": SCHEMA, **document, **more})

    def metrics(self) -> dict[str, Any]:
        """Read metrics.json."""
        return files.read_json(self.path / "metrics.json", schema=SCHEMA, what="run")

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Write metrics.json."""
        files.write_json(self.path / "metrics.json", {"schema": SCHEMA, **metrics})

    def history(self) -> list[dict[str, float]]:
        """Rows of history.csv, empty where nothing was trained by epochs."""
        rows = files.read_rows(self.path / "history.csv")
        return [{name: float(value) for name, value in row.items() if value} for row in rows]

    def write_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write history.csv anew; epochs are few, so the whole file is as cheap as a line."""
        files.write_rows(self.path / "history.csv", rows)

    def trials(self) -> list[dict[str, Any]]:
        """Rows of trials.csv, empty where nothing was searched: what each trial sampled and how it did."""
        found = []
        for row in files.read_rows(self.path / "trials.csv"):
            facts = {
                name: kind(row[name]) if row[name] or kind is str else None
                for name, kind in TRIAL_FACTS.items()
                if name in row
            }
            settings = {name: json.loads(text) for name, text in row.items() if text and name not in facts}
            found.append({**facts, "settings": with_names_of_today(settings)})
        return found

    def write_trials(self, trials: Sequence[Mapping[str, Any]]) -> None:
        """Write trials.csv: number, state, score, accuracy, seconds, note, then a column a setting.

        The score is "log_loss", or "rmse" where numbers are estimated.
        """
        rows = []
        for trial in trials:
            facts = {name: value for name, value in trial.items() if name != "settings"}
            sampled = trial["settings"].items()
            rows.append(facts | {name: json.dumps(value, ensure_ascii=False) for name, value in sampled})
        files.write_rows(self.path / "trials.csv", rows)

    def answers(self, task: str | None = None) -> dict[str, Any]:
        """Read predictions.csv: the splits "val" and "test" with their truth, of the type of the task.

        Args:
            task: What the run was trained for; what metrics.json says unless given.
        """
        layout = layouts.of(task or self.metrics()["task"])
        header, splits = self._answers()
        found = {}
        for split, members in splits.items():
            cells = dict(zip(header, zip(*members, strict=True), strict=True))
            fold = cells.get("fold", ("",))
            found[split] = layout.read(
                cells,
                paths=tuple(cells["path"]),
                # Repeats follow each other, so there are as many as the first row has answers.
                repeats=cells["path"].count(cells["path"][0]),
                folds=np.array(fold, np.int64) - 1 if fold[0] else None,
            )
        return found

    def _answers(self) -> tuple[list[str], dict[str, list[list[str]]]]:
        """Header and rows of predictions.csv, the rows by split."""
        try:
            with files.reading_csv(self.path / "predictions.csv") as lines:
                header, *rows = lines
        except (FileNotFoundError, ValueError) as error:
            raise ArtifactError(
                f"A finished run must hold predictions.csv. Received {self.path}. Continue it with --resume."
            ) from error
        splits: dict[str, list[list[str]]] = {}
        for row in rows:
            splits.setdefault(row[1], []).append(row)
        return header, splits

    def write_answers(self, splits: Mapping[str, Answers]) -> None:
        """Write predictions.csv: path, split, the truth, and what was answered.

        Behind split stands a column fold where a cross-validation evaluated; folds count from 1.
        """
        folded = any(answers.folds is not None for answers in splits.values())
        tables = {split: layouts.with_truth(answers) for split, answers in splits.items()}
        columns = max((columns for columns, _ in tables.values()), key=len)  # not every split has intervals

        def rows() -> Iterator[list[str]]:
            for split, answers in splits.items():
                folds = [""] * len(answers) if answers.folds is None else (answers.folds + 1).tolist()
                names, cells = tables[split]
                for path, fold, row in zip(answers.paths, folds, cells, strict=True):
                    found = dict(zip(names, row, strict=True))
                    known = [found.get(name, "") for name in columns]
                    yield [path, split, *([fold] if folded else []), *known]

        header = ["path", "split", *(["fold"] if folded else []), *columns]
        files.write_csv(self.path / "predictions.csv", header, rows())


@contextmanager
def whole_run(path: Path | str) -> Iterator[None]:
    """Say of the run what its documents make a reader stumble over: they were changed, or are not of one run.

    Raises:
        ArtifactError: In place of whatever a missing, misspelt or misplaced value raises.

    Example:
        >>> try:
        ...     with whole_run(Path("run")):
        ...         {}["test"]
        ... except ArtifactError as error:
        ...     str(error).split(",")[0]
        'run must be a whole run'
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, csv.Error) as error:
        raise ArtifactError(
            f"{path} must be a whole run, its documents as they were written. Received some that do not fit "
            f"({type(error).__name__}: {files.first_words(error)}). Copy it again, or train again."
        ) from error


def read_runs(folder: Path, say: Callable[[str], None]) -> Iterator[tuple[RunFolder, dict[str, Any]]]:
    """Every run directly below a folder with its run.json, by name with numbers in their natural order.

    Args:
        folder: Where to look; it need not exist.
        say: Hears of runs that cannot be read and are skipped.
    """

    def natural(path: Path) -> list[tuple[int, int | str]]:
        pieces = filter(None, re.split(r"(\d+)", path.name))
        return [(0, int(piece)) if piece.isdigit() else (1, piece) for piece in pieces]

    for path in sorted(folder.iterdir(), key=natural) if folder.is_dir() else ():
        run = RunFolder(path)
        if not os.path.lexists(path / "run.json"):  # whatever it is: what cannot be read is reported
            continue
        try:
            yield run, run.document()
        except MindleError as error:
            say(message("commands.runs.passed-over", path=str(run.path), why=str(error)))


def claim_default(name: str, root: Path = Path(RUNS)) -> RunFolder:
    """Make and return the first free `runs/<name>-<n>`; two runs started together get two folders."""
    safe = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "data"
    number = 0
    while True:
        number += 1
        with suppress(FileExistsError):
            return _made(root / f"{safe}-{number}", new=True)


def set_aside(folder: Path) -> Path:
    """Rename an unfinished run to `<folder>.partial-<n>`, where nothing of it is lost."""
    numbered = (folder.with_name(f"{folder.name}.partial-{number}") for number in itertools.count(1))
    aside = next(path for path in numbered if not path.exists())
    os.replace(folder, aside)
    return aside


def differences(stored: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    """Name every setting that differs between two documents, as `train.learning_rate: 0.001, now 0.003`."""
    for key in sorted(set(stored) | set(wanted)):
        old, new = stored.get(key), wanted.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}: {old}, now {new}"


def claim(
    out: Path | None, name: str, asked: Mapping[str, Any], *, resume: bool, say: Callable[[str], None]
) -> tuple[RunFolder, dict[str, Any]]:
    """Find or make the folder of a run that is about to begin or to go on.

    Args:
        out: The folder that was asked for; a numbered one below `runs/` unless set.
        name: Name of the data.
        asked: Every setting of this call; a resumed run must have begun with the same.
        resume: Whether to go on with an unfinished run.
        say: Hears where an old unfinished run was put.

    Returns:
        The folder and the run.json of the run that goes on, or an empty one for a fresh start.

    Raises:
        ValueError: If `out` holds a finished run, something else than a run, or a run with other settings.
        ArtifactError: If the run to go on with is an unfinished one of version 0.1.0.
    """
    keep_apart({"--out": out or Path(RUNS)}, [asked.get("source")])
    if out is None:
        latest = _latest_unfinished(asked, say) if resume else None
        if latest is None:
            return claim_default(name), {}
        out = latest
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return _made(out), {}
    if not (out / "run.json").is_file():
        raise ValueError(
            f"`out` must be a new or empty folder, or a run. Received {out}, which "
            f"{'holds other files' if out.is_dir() else 'is a file'}. Choose another."
        )
    folder = RunFolder(out)
    stored = folder.document()
    if resume:
        if stored.get("state") != FINISHED and folder.has_old_settings:
            raise ArtifactError(
                f"`resume` must name a run that this version began. Received {out}, an unfinished run of "
                "version 0.1.0, whose settings had other names. Leave out --resume, or choose another "
                "--out, to begin a new run."
            )
        changed = list(differences(stored.get("asked", {}), asked))
        if changed:
            raise ValueError(
                f"`resume` must be given the data and settings the run began with. {out} differs in "
                f"{'; '.join(changed)}. "
                "Leave out --resume, or choose another --out, to begin a new run."
            )
        return folder, stored
    if stored.get("state") == FINISHED:
        raise ValueError(
            f"`out` must not hold a finished run, which is never overwritten. Received {out}. Choose another."
        )
    say(message("commands.set-aside", folder=str(out), aside=str(set_aside(out))))
    return _made(out), {}


def _made(path: Path, *, new: bool = False) -> RunFolder:
    """The folder of a run that begins; `new` raises FileExistsError where there is one."""
    try:
        path.mkdir(parents=True, exist_ok=not new)
    except OSError as error:
        if new and isinstance(error, FileExistsError) and os.path.lexists(path):
            raise
        raise DeviceError(
            f"The run folder {path} must be one that can be made ({error.strerror}). Choose another with "
            "--out."
        ) from error
    return RunFolder(path)


def _latest_unfinished(asked: Mapping[str, Any], say: Callable[[str], None]) -> Path | None:
    """The newest unfinished run below `runs/` that was begun with the same settings."""
    unfinished = [
        run.path
        for run, document in read_runs(Path(RUNS), say)
        if document.get("state") != FINISHED and document.get("asked") == asked
    ]
    return unfinished[-1] if unfinished else None
