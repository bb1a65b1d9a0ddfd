"""In Korean, everything that commands print about data and training is Korean, and so is the report."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mindle
from mindle.artifacts.run import RunFolder, claim
from mindle.artifacts.run_log import RunLog
from mindle.cli.main import app
from mindle.messages import in_language, message
from mindle.recipes import course_names, recipe_names
from mindle.training.decisions import DecisionLog
from mindle.training.experiment import read_experiment
from mindle.training.recipe import as_dict, read_recipe
from tests.pictures import CLASSES, draw

WORD = r"[A-Za-z][A-Za-z'’-]*"
ENGLISH = re.compile(rf"{WORD}(?:[ ,;:]+{WORD}){{2,}}")
# What stays as it is in every language: commands and options, paths, and names of models.
NAMES = re.compile(r"`[^`]*`|“mindle[^”]*”|--[a-z-]+(?: [A-Z]+)?|\S+/\S*|\S+\.(?:png|jpg|csv|html|json)\b")
UNSEEN = frozenset({"style", "script", "code", "pre"})


class VisibleTexts(HTMLParser):
    """Texts of a page that people read; commands stand in `code` and `pre`."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.depth += tag in UNSEEN

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag in UNSEEN

    def handle_data(self, data: str) -> None:
        if not self.depth:
            self.texts.append(" ".join(data.split()))


def english(texts: list[str]) -> list[str]:
    """Those that hold three or more English words in a row."""
    return [text for text in texts if ENGLISH.search(NAMES.sub("·", text))]


def printed(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> list[str]:
    """The lines that a command prints in Korean, on both streams."""
    monkeypatch.setenv("MINDLE_LANG", "ko")
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert result.exit_code in (0, 1), result.output  # 1 are findings
    return result.output.splitlines()


def report(run: Path) -> list[str]:
    """What people read in the report of a run."""
    page = VisibleTexts()
    page.feed((run / "report.html").read_text(encoding="utf-8"))
    return page.texts


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Rows with a copy, a missing target, words for nothing, and columns that say nothing or the same."""
    rng = np.random.default_rng(0)
    rows = [
        f"{a:.3f},{a:.3f},{b:.3f},{'uv'[n % 2]},k,{2 * a + b:.3f}"
        for n, (a, b) in enumerate(rng.normal(size=(40, 2)))
    ]
    path = tmp_path / "rows.csv"
    odd = "1.5,1.5,n/a,u,k,2"
    path.write_text("\n".join(["a,copy,b,word,same,price", *rows, rows[0], odd, "1,1,2,v,k,"]) + "\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of drawings with a duplicate."""
    for kind, name in enumerate(CLASSES[:2]):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for seed in range(12):
            draw(kind, seed).save(tmp_path / "photos" / name / f"{seed:02d}.png")
    draw(0, 0).save(tmp_path / "photos" / CLASSES[0] / "again.png")
    return tmp_path / "photos"


def test_english_is_found() -> None:
    assert english(["one of many", "행 3개", "see `mindle check --json` there", "a.csv b.csv c/d"]) == [
        "one of many"
    ]


def test_check_of_a_table(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, "check", table, "--target", "price")
    assert len(lines) > 10
    assert english(lines) == []


def test_check_of_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, "check", folder)
    assert any(line.startswith("- duplicate: ") for line in lines)
    assert english(lines) == []


def test_check_of_a_folder_with_damaged_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (folder / CLASSES[0] / "00.png").read_bytes()
    damaged = {
        "cut.png": whole[: len(whole) // 2],
        "empty.png": b"",
        "page.jpg": b"<!DOCTYPE html><html></html>",
        "raw.jpg": bytes(4) + b"ftypcrx " + bytes(50),
        "header.png": whole[:8] + bytes(40),
    }
    for name, data in damaged.items():
        (folder / CLASSES[0] / name).write_bytes(data)
    lines = printed(monkeypatch, "check", folder)
    assert sum("첫 번째" in line for line in lines) >= len(damaged) - 1
    assert english(lines) == []


def test_prepare_of_a_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / CLASSES[0] / "more.webp").write_bytes(b"")
    lines = printed(monkeypatch, "prepare", folder, tmp_path / "out")
    assert any("썼습니다" in line for line in lines)
    assert english(lines) == []


@pytest.mark.slow
def test_train_on_a_table(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    quick = ("--model", "linear", "--folds", "2", "--set", "table.repeats=1")
    lines = printed(monkeypatch, "train", table, "--target", "price", "--out", out, *quick)
    assert english(lines) == []
    assert english(report(out)) == []
    assert in_language(read_recipe("table").about, "ko") in (out / "report.html").read_text("utf-8")
    odd = tmp_path / "odd.csv"
    odd.write_text("a,copy,b,word,price\n1,1,many,u,3\n2,2,2.5,v,5\n")
    for arguments in (("evaluate", out, odd), ("predict", out, odd, "--out", tmp_path / "answers.csv")):
        lines = printed(monkeypatch, *arguments)
        assert any(line.startswith("! ") for line in lines)
        assert english(lines) == []


def in_korean(run: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What people read of a run of English that is reported in Korean, names of the machine aside."""
    page = run.with_suffix(".html")
    assert english(printed(monkeypatch, "report", run, "--lang", "ko", "--out", page)) == []
    document = json.loads((run / "run.json").read_text(encoding="utf-8"))
    reader = VisibleTexts()
    reader.feed(page.read_text(encoding="utf-8"))
    return [text for text in reader.texts if text not in document["hardware"].values()]


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_images_recorded_in_english_are_reported_in_korean(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / CLASSES[0] / "cut.png").write_bytes((folder / CLASSES[0] / "01.png").read_bytes()[:200])
    recipe = tmp_path / "small.toml"
    layers = '[[model.layers]]\nkind = "flatten"\n[[model.layers]]\nkind = "dense"\nunits = 2\n'
    recipe.write_text("[train]\nepochs = 2\n" + layers)
    runs = [tmp_path / "one", tmp_path / "two"]
    for seed, run in enumerate(runs):
        mindle.train(folder, strategy="scratch", recipe=str(recipe), seed=seed, device="cpu", out=run)
    assert english(report(runs[0])) != []  # it was recorded in English
    texts = in_korean(runs[0], monkeypatch)
    assert "검사의 발견 사항" in texts
    assert english(texts) == []

    page = tmp_path / "both.html"
    lines = printed(monkeypatch, "compare", *runs, "--lang", "ko", "--out", page)
    assert lines[0].split("  ")[0] == "실행"
    assert english(lines) == []
    reader = VisibleTexts()
    reader.feed(page.read_text(encoding="utf-8"))
    assert english(reader.texts) == []
    assert english(printed(monkeypatch, "evaluate", runs[0], folder)) == []


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_a_table_recorded_in_english_is_reported_in_korean(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    mindle.train(table, target="price", model=["linear"], folds=2, set={"table.repeats": 1}, out=run)
    texts = in_korean(run, monkeypatch)
    assert "순열 중요도" in texts
    assert english(texts) == []
    assert english(printed(monkeypatch, "evaluate", run, table)) == []


@pytest.mark.parametrize("command", ["models", "cache", "recipes", "course"])
def test_lists_are_korean(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, command)
    assert re.search("[가-힣]", lines[0])
    assert english(lines) == []
    if command == "models":
        assert {re.split(r"\s{2,}", line)[1] for line in lines[1 : lines.index("")]} == {"백본", "신경망"}
    if command in ("recipes", "course"):
        assert all(re.search("[가-힣]", line) for line in lines)


def test_an_option_gives_the_language_as_the_variable_does(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, "recipes")
    monkeypatch.delenv("MINDLE_LANG")
    runner = CliRunner()
    assert runner.invoke(app, ["recipes", "--lang", "ko"]).output.splitlines() == lines
    assert english(runner.invoke(app, ["recipes"]).output.splitlines()) != []


def test_runs_are_listed_in_korean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, state in (("one", "finished"), ("two", "running")):
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        folder.write_document({"state": state, "strategy": "probe", "name": "photos", "created": "2026"})
        folder.write_metrics({"test": {}})
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "run.json").write_text("{")
    lines = printed(monkeypatch, "runs", tmp_path)
    assert sum("건너뜁니다: " in line for line in lines) == 1
    skipped, heading, *rows = lines
    assert heading.split() == ["실행", "상태", "학습", "방식", "데이터", "테스트", "점수", "시작"]
    assert [row.split()[1] for row in rows] == ["완료", "진행"]


def test_an_unfinished_run_is_set_aside_in_korean(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.write_document({"state": "running"})
    said: list[str] = []
    claim(folder.path, "photos", {}, resume=False, say=said.append)
    assert english([in_language(sentence, "ko") for sentence in said]) == []
    assert english(said) != []


def test_texts_of_recipes_and_experiments_are_korean() -> None:
    for name in recipe_names():
        assert re.search("[가-힣]", in_language(read_recipe(name).about, "ko")), name
    for name in course_names():
        experiment = read_experiment(name)
        texts = [experiment.about, experiment.teaches, experiment.notes["words"], *experiment.why]
        assert not re.search("photos|per class|columns", in_language(experiment.notes["data"], "ko"))
        for text in (*texts, *experiment.labels.values()):
            korean = in_language(text, "ko")
            assert re.search("[가-힣]", korean), (name, text)
            assert english([korean]) == []


def test_what_a_recipe_is_for_is_korean_again_when_a_run_is_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_document({"asked": {"recipe": as_dict(read_recipe("probe"))}})
    about = folder.document()["asked"]["recipe"]["about"]
    assert about == read_recipe("probe").about
    assert english([in_language(about, "ko")]) == []


def test_decisions_of_an_interrupted_run_are_korean_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    log = RunLog(folder, {}, {}, 0.0)
    log.decide({"step": "net", "take": False, "reason": message("training.stopped.time")})
    again = RunLog(folder, folder.document(), {}, 0.0)
    repeated = DecisionLog(again.decisions, again.decide).decide("net", dict)
    assert english([in_language(repeated["reason"], "ko")]) == []


def test_prepare_says_what_it_did(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, "prepare", folder, tmp_path / "out")
    assert len(lines) >= 2
    assert english(lines) == []


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_a_search_recorded_in_english_is_reported_in_korean(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    settings = {"train.epochs": 1}
    mindle.tune(folder, trials=2, strategy="scratch", set=settings, device="cpu", out=run)
    texts = in_korean(run, monkeypatch)
    assert "하이퍼파라미터 탐색" in texts
    assert any("파라미터 " in text for text in texts)
    assert english([re.sub(r"[a-z]+\.[a-z_]+", "·", text) for text in texts]) == []
