"""The rules of the house: what loads, what is documented, what is tested, what lies in the repository."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mindle
from mindle.cli.main import app
from tests.processes import python

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "mindle"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = {
    "torch",
    "torchvision",
    "scipy",
    "matplotlib",
    "sklearn",
    "timm",
    "onnx",
    "onnxruntime",
    "openvino",
    "pandas",
}

COMMANDS = sorted(app.commands)

# Modules without a test file of the same name, each with where it is tested instead.
TESTED_ELSEWHERE = {
    "api/neighbours.py": "api/test_borders.py",  # a training whose run shows them
    "__main__.py": "cli/test_main.py",  # it only calls main(); that file runs every command through it
    **{
        f"cli/{command}.py": "cli/test_main.py" for command in COMMANDS
    },  # commands are run as people run them
    # One dirty folder goes through every verb.
    **{
        f"api/{verbs}.py": "test_api.py"
        for verbs in (
            "evaluate",
            "listing",
            "models",
            "pipeline",
            "pipelines",
            "predict",
            "run_context",
            "train",
        )
    },
    # One sample of each corner of the house goes through what all samples must do.
    **{f"certification/{name}.py": "certification/test_samples.py" for name in ("images", "rows")},
    "certification/document.py": "api/test_certify.py",  # whole certificates are read back
    # The checks and readers of images and of tables run through what they share.
    "data/sources.py": "api/test_check.py",
    "data/images/sources/pictures.py": "data/images/sources/test_source.py",  # one folder is read and given
    **{
        f"data/tables/parsing/{kind}.py": "data/tables/parsing/test_columns.py"
        for kind in ("categories", "dates", "kind", "numbers")
    },
    "data/tables/sources.py": "data/tables/test_reader.py",
    "data/common/counts.py": "data/common/test_summary.py",
    "data/common/classes.py": "data/images/sources/test_folder.py",
    "data/common/groups.py": "data/images/test_duplicates.py",
    "engines/onnxruntime.py": "engines/test_forward.py",  # both engines answer alike
    "engines/opened.py": "engines/test_forward.py",
    "artifacts/answers.py": "artifacts/test_run.py",  # every layout comes back from predictions.csv
    "evaluation/classification.py": "evaluation/test_tasks.py",
    "evaluation/family.py": "evaluation/test_tasks.py",
    "serving/source.py": "serving/test_evaluate.py",  # the truth of both families of tasks
    "evaluation/paired.py": "evaluation/test_compare.py",
    "training/images/attempts.py": "training/images/test_selection.py",
    "training/images/backbones.py": "training/images/test_selection.py",
    **{
        f"training/images/heads/{name}.py": "training/images/test_heads.py"
        for name in ("candidates", "features", "kernel", "logistic", "net", "solver")
    },
    "training/loop/objectives.py": "training/loop/test_loss.py",
    "training/decisions.py": "training/images/test_selection.py",
    "training/diagnoses.py": "training/images/test_diagnosis.py",
    "training/search/task.py": "training/search/test_images.py",
    "training/search/sampler.py": "training/search/test_study.py",
    "training/search/runner.py": "api/test_tune.py",  # it runs and reports whole searches
    "version.py": "test_house.py",  # versions agree
    "api/table_pipeline.py": "api/test_tables.py",
    "sklearn/base.py": "sklearn/test_images.py",  # both classifiers go through it
    "api/prepare.py": "data/images/test_prepare.py",  # that file lays everything out through the verb
}


# ── what loads ───────────────────────────────────────────────────────────────────────────────────


def loaded(code: str) -> set[str]:
    """The heavy libraries that a fresh Python has loaded after running some code."""
    tail = "\nimport sys\nprint('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    done = python(code + tail)
    return HEAVY & set(done.stdout.splitlines()[-1].split())


def test_import_mindle_is_light() -> None:
    assert loaded("import mindle; dir(mindle)") == set()


@pytest.mark.parametrize(
    "arguments", [[], *([command] for command in COMMANDS)], ids=lambda a: " ".join(a) or "mindle"
)
def test_help_is_light(arguments: list[str]) -> None:
    code = f"""
import sys
from mindle.cli.main import main
sys.argv = ["mindle", *{arguments!r}, "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code
"""
    assert loaded(code) == set()


def test_listing_recipes_needs_no_torch() -> None:
    assert "torch" not in loaded("import mindle; mindle.list_recipes(); mindle.show_recipe('auto')")


def test_loading_would_be_noticed() -> None:
    assert "scipy" in loaded("import scipy")


# ── names and versions ───────────────────────────────────────────────────────────────────────────


def test_public_names_are_sorted_and_documented() -> None:
    assert mindle.__all__ == sorted(mindle.__all__)
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    for name in mindle.__all__:
        assert (getattr(mindle, name).__doc__ or "").strip(), f"mindle.{name} must have a docstring"
        assert f"### mindle.{name}\n" in page, f"mindle.{name} must be in docs/python.md: run `make manual`"


def test_no_room_hides_a_call() -> None:
    rooms = {path.stem for path in SOURCE.iterdir() if path.is_dir() or path.suffix == ".py"}
    hidden = rooms & set(mindle.__all__)
    assert hidden == set(), "`import mindle.NAME` would put the module where the call was"


@pytest.mark.parametrize(
    "package", sorted(path.parent for path in SOURCE.rglob("__init__.py")), ids=lambda p: p.name
)
def test_every_public_name_is_there(package: Path) -> None:
    name = ".".join(package.relative_to(SOURCE.parent).parts)
    room = importlib.import_module(name)
    missing = [public for public in getattr(room, "__all__", ()) if not hasattr(room, public)]
    assert missing == [], f"`__all__` of {name} names what is not there"


def test_versions_agree() -> None:
    version = PROJECT["project"]["version"]
    newest = re.search(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert mindle.__version__ == version == newest.group(1)


# ── commands ─────────────────────────────────────────────────────────────────────────────────────


def nav_files(entries: Any) -> list[str]:
    """Every page that the site's navigation leads to."""
    if isinstance(entries, str):
        return [entries]
    values = entries.values() if isinstance(entries, dict) else entries
    return [page for entry in values for page in nav_files(entry)]


NAV = nav_files(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_a_manual_page(command: str) -> None:
    entry = app.commands[command]
    assert entry.help
    assert [p.name for p in entry.params if not p.help] == [], (
        "every argument and option must have a help text"
    )
    page = ROOT / "docs" / "cli" / f"{command}.md"
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ .+$", text, re.MULTILINE)
    assert headings[0] == f"# mindle {command}"
    assert {"## Usage", "## Examples", "## Exit codes"} <= set(headings)
    assert f"cli/{command}.md" in NAV
    assert f"({command}.md)" in (ROOT / "docs" / "cli" / "index.md").read_text(encoding="utf-8")


def test_no_page_for_a_command_that_is_not_there() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "cli").glob("*.md")} - {"index"}
    assert pages == set(COMMANDS)


def test_the_site_leads_to_every_page() -> None:
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert set(NAV) == pages


# ── tests mirror modules ─────────────────────────────────────────────────────────────────────────


def modules() -> list[str]:
    """Every module with code of its own, below src/mindle; a package's `__init__` only re-exports."""
    found = (path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))
    return sorted(path for path in found if not path.endswith("__init__.py"))


@pytest.mark.parametrize("module", modules())
def test_every_module_has_its_test_file(module: str) -> None:
    path = Path(module)
    wanted = ROOT / "tests" / (TESTED_ELSEWHERE.get(module) or (path.parent / f"test_{path.name}").as_posix())
    assert wanted.is_file(), (
        f"src/mindle/{module} must have {wanted.relative_to(ROOT)}, or a reason in TESTED_ELSEWHERE"
    )


def test_exceptions_are_still_needed() -> None:
    assert set(TESTED_ELSEWHERE) <= set(modules())
    twice = [
        m for m in TESTED_ELSEWHERE if (ROOT / "tests" / Path(m).parent / f"test_{Path(m).name}").is_file()
    ]
    assert twice == []


# ── what is installed ────────────────────────────────────────────────────────────────────────────


def pins() -> dict[str, str]:
    """The version of each package that constraints.txt names."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, _, version in pairs}


def test_constraints_are_plain_pins() -> None:
    for name, version in pins().items():
        assert re.fullmatch(r"\d[\w.]*", version), (
            f"{name} must be pinned as NAME==VERSION without a local part. Received {version!r}."
        )


def test_constraints_cover_what_the_project_asks_for() -> None:
    project = PROJECT["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    pinned = pins()
    for requirement in map(Requirement, lines):
        name = canonicalize_name(requirement.name)
        if name != "mindle":
            assert name in pinned, f"{name} must be in constraints.txt"
            assert requirement.specifier.contains(pinned[name]), (
                f"{name}=={pinned[name]} must satisfy {requirement}"
            )


def test_extra_all_names_every_extra_for_users() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert Requirement(extras["all"][0]).extras == set(extras) - {"all", "dev"}


def test_hooks_are_local() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repository["repo"] for repository in hooks["repos"]} == {"local"}
    assert {hook["language"] for repository in hooks["repos"] for hook in repository["hooks"]} == {"system"}


def test_ci_covers_the_systems_and_versions_that_are_promised() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    matrix = jobs["test"]["strategy"]["matrix"]
    promised = [c.rsplit(" ", 1)[1] for c in PROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert matrix["python"] == promised
    assert [system.partition("-")[0] for system in matrix["os"]] == ["ubuntu", "macos", "windows"]


# ── what lies in the repository ──────────────────────────────────────────────────────────────────

LARGEST_BYTES = 1_000_000
BINARY = {
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".gif",
    ".npz",
    ".npy",
    ".ico",
    ".gz",
    ".zip",
    ".onnx",
    ".safetensors",
    ".bin",
}


@pytest.fixture(scope="module")
def kept() -> list[Path]:
    """Every file that git holds or would take; empty folders of tools and what .gitignore names are not."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs git and a checkout to know which files belong to the repository ({error})")
    names = [name for name in done.stdout.decode().split("\0") if name]
    assert "pyproject.toml" in names
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def test_no_large_files(kept: list[Path]) -> None:
    assert [str(path) for path in kept if path.stat().st_size > LARGEST_BYTES] == []


def test_no_pickles_and_no_models(kept: list[Path]) -> None:
    assert [
        str(path)
        for path in kept
        if path.suffix in {".pkl", ".pickle", ".pth", ".pt", ".onnx", ".h5", ".joblib"}
    ] == []


def test_no_paths_of_a_machine_and_no_package_indexes(kept: list[Path]) -> None:
    own = "|".join(("home", "root", "Users", "work", "opt"))
    hosts = "|".join(
        re.escape(host) for host in ("pypi.org", "pythonhosted.org", "download.pytorch.org", "anaconda.org")
    )
    telltale = re.compile(rf"(?<![\w.~$}}/)])/(?:{own})/[\w.]|[A-Z]:\\Users\\|{hosts}|file:///\w")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in kept
        if path != Path(__file__).resolve() and path.suffix not in BINARY
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if telltale.search(line)
    ]
    assert found == []


# The glossary has another word for each: evaluate, chance, majority, candidate, run log, split, fix.
OTHER_WORDS = (
    "climb",
    "commonest",
    "diary",
    "judg",
    "ladder",
    "luck",
    "mend",
    "parted",
    "rung",
    "scarce",
    "shelf",
    "shop",
    "the notes",
    "told",
)


def test_the_words_of_the_glossary_are_used(kept: list[Path]) -> None:
    banned = re.compile(rf"\b({'|'.join(OTHER_WORDS)})\w*", re.IGNORECASE)
    # A table of old names of settings has them; so may values of a data set.
    read = [
        path
        for path in kept
        if path.suffix in {".py", ".toml", ".html", ".md"}
        and {"src", "docs", "README.md"} & set(path.relative_to(ROOT).parts[:1])
        and path.parent.name != "names"
    ]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in read
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if banned.search(line)
    ]
    assert found == []


def test_text_is_utf8_with_plain_line_ends(kept: list[Path]) -> None:
    for path in kept:
        if path.suffix not in BINARY:
            data = path.read_bytes()
            data.decode("utf-8")
            assert b"\r\n" not in data or sys.platform == "win32", (
                f"{path.relative_to(ROOT)} must end its lines with \\n"
            )


def test_json_and_toml_files_can_be_read(kept: list[Path]) -> None:
    readers = {".json": json.loads, ".ipynb": json.loads, ".toml": tomllib.loads}
    found: dict[str, list[str]] = {suffix: [] for suffix in readers}
    for path in kept:
        if path.suffix in readers:
            try:
                readers[path.suffix](path.read_text(encoding="utf-8"))
            except ValueError as error:  # both readers' errors derive from it
                found[path.suffix].append(f"{path.relative_to(ROOT)}: {error}")
    assert found == {suffix: [] for suffix in readers}
    assert {".ipynb", ".toml"} <= {path.suffix for path in kept}
