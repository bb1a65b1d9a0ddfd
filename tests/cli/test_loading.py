"""What each command loads: none pays for a library that it does not use."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.pictures import photo_folder
from tests.processes import python

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
HEAVY = {
    "PIL", "catboost", "filelock", "huggingface_hub", "jinja2", "joblib", "lightgbm", "matplotlib", "numpy",
    "onnx", "onnxruntime", "openvino", "optuna", "pandas", "pydantic", "rich", "safetensors", "scipy",
    "sklearn", "timm", "torch", "torchvision",
}  # fmt: skip
IMAGES = {"PIL", "filelock", "numpy"}
ANSWERS = IMAGES | {"onnxruntime"}
PROGRAM = """
import sys
from mindle.cli.main import main
sys.argv = ["mindle", *{arguments}]
try:
    main()
finally:
    print("\\n" + " ".join(sys.modules), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, a run on images, and two on tables with a row each."""
    folder = tmp_path_factory.mktemp("desk")
    photo_folder(folder / "photos", 4)
    for name in ("shapes-0", "shapes-1", "iris"):
        with zipfile.ZipFile(FIXTURES / f"{name}.zip") as archive:
            archive.extractall(folder)
    return folder


def loaded(desk: Path, *arguments: str) -> set[str]:
    """The modules of a command, by name."""
    code = PROGRAM.format(arguments=[*arguments])
    done = python(code, check=False, cwd=desk)
    assert done.returncode in (0, 1), done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("command", "libraries", "most"),
    [
        ("predict shapes-0 photos", ANSWERS, 420),
        ("predict shapes-0/bundle photos --json -", ANSWERS, 420),
        ("evaluate shapes-0 photos", ANSWERS, 480),
        ("check photos", IMAGES, 430),
        ("runs .", {"numpy"}, 330),
        ("recipes", {"numpy"}, 330),
        ("models", {"numpy", "onnxruntime"}, 400),
        ("cache", {"numpy", "filelock"}, 350),
    ],
)
def test_a_command_loads_what_it_uses(desk: Path, command: str, libraries: set[str], most: int) -> None:
    modules = loaded(desk, *command.split())
    found = {name.partition(".")[0] for name in modules} & HEAVY
    assert found <= libraries
    assert len(modules) <= most
