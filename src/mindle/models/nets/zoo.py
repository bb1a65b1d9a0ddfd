"""The nets that mindle knows by name, each on a card: `ZOO["fashion-cnn"]`.

A new net is its list of layers and one card here; listing, manual and tests follow from `ZOO`.
Pretrained backbones are in `mindle.models.pretrained.weights`: they are files, not definitions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mindle.models.nets import convnet, mlp
from mindle.models.nets.convnet import Layers


@dataclass(frozen=True, kw_only=True)
class NetCard:
    """A named list of layers.

    Attributes:
        name: What `--model` takes.
        layers: Gives the list for images of (height, width).
        shape: The (channel, height, width) and
        classes: the number of classes for which
        parameters: the parameters were counted. Other sizes work, with other counts.
        use: One line on what it is for.
        source: Where the design comes from.
    """

    name: str
    layers: Callable[[int, int], Layers]
    shape: tuple[int, int, int]
    classes: int
    parameters: int
    use: str
    source: str


COURSE = "course notes, July 2025"


def _fixed(layers: Layers) -> Callable[[int, int], Layers]:
    return lambda height, width: layers


CARDS = (
    NetCard(
        name="small-resnet",
        layers=convnet.small_resnet,
        shape=(3, 32, 32),
        classes=10,
        parameters=308_650,
        use="the default from scratch for images of 8 to 96 px",
        source="after He et al. 2016, https://arxiv.org/abs/1512.03385",
    ),
    NetCard(
        name="photo-resnet",
        layers=convnet.photo_resnet,
        shape=(3, 160, 160),
        classes=10,
        parameters=1_878_354,
        use="the default from scratch for photos of 128 to 224 px",
        source="after He et al. 2016, https://arxiv.org/abs/1512.03385",
    ),
    NetCard(
        name="catsdogs-cnn",
        layers=_fixed(convnet.CATSDOGS_CNN),
        shape=(3, 180, 180),
        classes=2,
        parameters=1_684_705,
        use="three convolutions and a wide dense layer, as the course trained on cats and dogs",
        source=COURSE,
    ),
    NetCard(
        name="fashion-cnn",
        layers=_fixed(convnet.FASHION_CNN),
        shape=(1, 28, 28),
        classes=10,
        parameters=421_642,
        use="two convolutions, as the course trained on Fashion-MNIST",
        source=COURSE,
    ),
    NetCard(
        name="cifar-dnn",
        layers=_fixed(mlp.CIFAR_DNN),
        shape=(3, 32, 32),
        classes=10,
        parameters=411_146,
        use="dense layers alone, as the course set against cifar-cnn",
        source=COURSE,
    ),
    NetCard(
        name="cifar-cnn",
        layers=_fixed(convnet.CIFAR_CNN),
        shape=(3, 32, 32),
        classes=10,
        parameters=1_634_058,
        use="two convolutions, as the course trained on CIFAR-10",
        source=COURSE,
    ),
    NetCard(
        name="daisy-mlp",
        layers=_fixed(mlp.DAISY_MLP),
        shape=(3, 80, 80),
        classes=2,
        parameters=2_468_097,
        use="dense layers on flattened photos, as the course trained on daisy and dandelion",
        source=COURSE,
    ),
    NetCard(
        name="daisy-cnn",
        layers=_fixed(convnet.DAISY_CNN),
        shape=(3, 80, 80),
        classes=2,
        parameters=1_662_945,
        use="two convolutions, as the course trained on daisy and dandelion",
        source=COURSE,
    ),
    NetCard(
        name="trash-mlp",
        layers=_fixed(mlp.TRASH_MLP),
        shape=(3, 150, 150),
        classes=6,
        parameters=34_733_382,
        use="dense layers on flattened photos, as the course trained on TrashNet",
        source=COURSE,
    ),
)

ZOO: dict[str, NetCard] = {card.name: card for card in CARDS}
