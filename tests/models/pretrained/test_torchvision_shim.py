"""torchvision imports, with or without its operators, and only where they are missing is anything touched."""

from __future__ import annotations

import sys

import pytest

from mindle.errors import ModelError
from mindle.models.pretrained.torchvision_shim import import_timm, import_torchvision
from tests.processes import python


def printed(code: str) -> list[str]:
    """What a fresh process prints, word by word."""
    return python(code, flags=["-W", "ignore"]).stdout.split()


def test_networks_can_be_built() -> None:
    assert import_torchvision().models.get_model("squeezenet1_1", weights=None) is not None
    assert import_timm().is_model("resnet18")


@pytest.mark.slow  # imports torch anew
def test_the_module_is_emptied_only_where_operators_are_missing() -> None:
    code = (
        "import sys, torch\nfrom mindle.models.pretrained.torchvision_shim import import_torchvision\n"
        "import_torchvision()\n"
        "from torchvision import extension\n"
        "emptied = not hasattr(sys.modules['torchvision._meta_registrations'], 'register_meta')\n"
        "print(emptied == (not extension._has_ops()))"
    )
    assert printed(code) == ["True"]


@pytest.mark.slow  # imports torch anew
def test_the_compiler_is_imported_by_those_alone_who_compile() -> None:
    code = (
        "import sys, torch\nfrom mindle.models.pretrained.torchvision_shim import import_timm\n"
        "import_timm().create_model('test_resnet')\n"
        "print('torch._dynamo' in sys.modules)\n"
        "print(torch.compile(torch.nn.Linear(2, 3), backend='eager')(torch.zeros(1, 2)).shape[1])"
    )
    assert printed(code) == ["False", "3"]


def test_without_torchvision_the_next_step_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # how Python spells "cannot be imported"
    with pytest.raises(ModelError, match="pip install torchvision"):
        import_torchvision()
