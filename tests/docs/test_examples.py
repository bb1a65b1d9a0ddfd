"""Examples of the documentation: what is Python runs, what is typed at the prompt exists."""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mindle.cli.main import app
from tests.docs.pages import PAGES, ROOT, blocks, name
from tests.processes import mindle

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
TRAINS = re.compile(r"mindle\.train\(")


def runnable() -> list[Any]:
    """Pages with Python in them; README.ko.md has the blocks of README.md, which another test holds it to."""
    found = []
    for page in PAGES:
        code = [block.text for block in blocks(page) if block.language == "python"]
        if code and page.name != "README.ko.md":
            marks = [pytest.mark.slow] if TRAINS.search("".join(code)) else []
            found.append(pytest.param(page, id=name(page), marks=marks))
    return found


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("page", runnable())
def test_python_on_a_page_runs_from_top_to_bottom(page: Path) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.language != "python":
            continue
        where = f"{name(page)}:{block.line}"
        if ">>>" not in block.text:
            exec(compile("\n" * (block.line - 1) + block.text, where, "exec"), names)
            continue
        example = doctest.DocTestParser().get_doctest(block.text, names, where, str(page), block.line - 1)
        example.globs = names  # the parser copies them; blocks of a page share their names
        output: list[str] = []
        failed, attempted = doctest.DocTestRunner(optionflags=FLAGS).run(
            example, out=output.append, clear_globs=False
        )
        assert attempted > 0
        assert failed == 0, "".join(output)


def typed(text: str) -> Iterator[list[str]]:
    """The words of every `mindle …` command in a shell block, cut off from pipes and the like."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\||&&|;", line.partition(" #")[0]):
            words = shlex.split(part.strip().removeprefix("$ "))
            while words and "=" in words[0]:  # MINDLE_CACHE=… mindle …
                words.pop(0)
            if words and words[0] == "mindle":
                yield words[1 : words.index(">")] if ">" in words else words[1:]


def inline(page: Path) -> Iterator[str]:
    """Commands in running text: `mindle …` between single backticks."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    yield from re.findall(r"`(mindle [^`]+)`", text)


def complaint(words: list[str], *, whole: bool) -> str:
    """What the prompt would object to in a command, "" for nothing; `whole` asks for the arguments too."""
    if not words or words[0] in ("--help", "--version", "COMMAND"):
        return ""
    if words[0] not in app.commands:
        return f"no command {words[0]!r}"
    parameters = app.commands[words[0]].params
    options = {spelling: p for p in parameters for spelling in p.opts if p.param_type_name == "option"}
    places = [p for p in parameters if p.param_type_name == "argument"]
    given, rest = 0, words[1:]
    while rest:
        word, _, value = rest.pop(0).partition("=")
        if not word.startswith("--"):
            given += 1
        elif word not in options and word != "--help":
            return f"`{words[0]}` has no option {word!r}"
        elif word != "--help" and not options[word].is_flag and not value:
            if not rest and whole:
                return f"{word!r} of `{words[0]}` must have a value"
            rest = rest[1:]
    if given > len(places) and all(place.nargs == 1 for place in places):
        return f"`{words[0]}` takes {len(places)} argument(s), not {given}"
    if whole and given < sum(place.required for place in places):
        return f"`{words[0]}` needs {sum(place.required for place in places)} argument(s), not {given}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_exist_with_their_options(page: Path) -> None:
    wrong = [
        f"{name(page)}:{block.line}: {problem}"
        for block in blocks(page)
        if block.language in ("sh", "bash", "console", "shell")
        for words in typed(block.text)
        if (problem := complaint(words, whole=True))
    ]
    wrong += [
        f"{name(page)}: `{line}`: {problem}"
        for line in inline(page)
        for words in typed(line)
        if (problem := complaint(words, whole=False))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("trane photos", "no command"),
        ("train photos --buget 1h", "no option '--buget'"),
        ("train photos --budget", "must have a value"),
        ("train", "needs 1"),
        ("check a b", "takes 1"),
    ],
)
def test_wrong_commands_would_be_noticed(command: str, words: str) -> None:
    assert words in complaint(command.split(), whole=True)


@pytest.mark.slow
def test_the_quickstart_works_as_written(desk: Path) -> None:
    lines = [
        words
        for block in blocks(ROOT / "docs" / "quickstart.md")
        if block.language == "sh"
        for words in typed(block.text)
        if "1h" not in words  # the same command once more, with more time
    ]
    commands = "check train train report train compare explain predict predict predict evaluate certify"
    assert [words[0] for words in lines] == commands.split()
    for words in lines:
        done = mindle(*words, cwd=desk, encoding="utf-8", check=False)
        # Drawings may miss the limits of a certificate; that is no fault of the command.
        assert done.returncode in ((0, 1) if words[0] == "certify" else (0,)), done.stderr
    assert (desk / "runs" / "photos-1" / "certificate" / "certificate.html").is_file()
    assert (desk / "runs" / "photos-1" / "report.html").is_file()
    assert len((desk / "answers.csv").read_text(encoding="utf-8").splitlines()) == 1 + 3
