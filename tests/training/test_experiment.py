"""The course's experiments: complete, with the notes' exact counts, and open to a learner's changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mindle.errors import DataError
from mindle.models.classifier import ClassScores, backbone_model, layers_model
from mindle.models.nets.layers import count_parameters
from mindle.models.nets.zoo import ZOO
from mindle.models.pretrained.weights import random_card
from mindle.recipes import course_names, course_text
from mindle.records import InputSpec
from mindle.training.experiment import (
    QUICK_EPOCHS,
    changed,
    list_experiments,
    read_experiment,
)
from mindle.training.recipe import Recipe
from mindle.training.settings import TableSettings

AS_WRITTEN, DONE_WELL = "as_written", "done_well"

# Classes and input (channels, side) of the nets from scratch.
INPUTS = {
    "catsdogs-cnn": (2, 3, 180),
    "fashion-cnn": (10, 1, 28),
    "cifar-dnn": (10, 3, 32),
    "cifar-cnn": (10, 3, 32),
    "daisy-mlp": (2, 3, 80),
    "daisy-cnn": (2, 3, 80),
    "trash-mlp": (6, 3, 150),
}
EVERY = course_names()


def count_of_net(recipe: Recipe, classes: int, channels: int, side: int) -> int:
    colour = "gray" if channels == 1 else "rgb"
    spec = InputSpec(height=side, width=side, colour=colour, mean=(0.0,) * channels, std=(1.0,) * channels)
    layers = recipe.model.layers or ZOO[recipe.model.name].layers(side, side)
    return count_parameters(
        layers_model(layers, ClassScores(tuple([str(i) for i in range(classes)])), spec=spec)
    )


@pytest.mark.parametrize("name", EVERY)
def test_every_experiment_says_what_it_wants_teaches_and_found(name: str) -> None:
    experiment = read_experiment(name)
    assert course_text(name).startswith("# ")
    assert list(experiment.variants)[0] == AS_WRITTEN
    assert list(experiment.variants)[-1] == DONE_WELL
    assert experiment.about
    assert experiment.teaches
    assert experiment.why
    assert experiment.needs.below
    assert experiment.notes["words"]
    assert experiment.variants[AS_WRITTEN] != experiment.variants[DONE_WELL]


def test_all_of_the_course_is_there() -> None:
    names = {row["name"] for row in list_experiments()}
    assert {*INPUTS, "catsdogs-vgg19", "flowers-vgg19", "inline-vs-twostage"} <= names


@pytest.mark.parametrize("name", INPUTS)
def test_the_net_has_exactly_the_parameters_of_the_notes_in_both_variants(name: str) -> None:
    experiment = read_experiment(name)
    stated = experiment.notes["figures"].get("parameters", ZOO[name].parameters)
    for variant in (AS_WRITTEN, DONE_WELL):
        assert count_of_net(experiment.variants[variant], *INPUTS[name]) == stated


def test_behind_the_blur_stands_the_same_net() -> None:
    layers = read_experiment("trash-mlp").variants[DONE_WELL].model.layers
    blur, net = layers[:2], layers[2:]
    assert {layer["kind"] for layer in blur} == {"avg_pool"}
    assert [dict(layer) for layer in net] == ZOO["trash-mlp"].layers(150, 150)


@pytest.mark.parametrize(
    ("name", "classes", "trainable"), [("catsdogs-vgg19", 2, 3_318_273), ("flowers-vgg19", 5, 3_318_277)]
)
def test_vgg19_with_the_notes_head_has_exactly_their_parameters(
    name: str, classes: int, trainable: int
) -> None:
    experiment = read_experiment(name)
    recipe = experiment.variants[AS_WRITTEN]
    card = random_card("vgg19")
    card = replace(card, spec=replace(card.spec, height=recipe.input.height, width=recipe.input.width))
    model = backbone_model(
        [card],
        recipe.model.layers,
        ClassScores(tuple([str(i) for i in range(classes)])),
        pooling=recipe.model.pooling,
    )
    model.backbones[0].set_trainable(0)
    assert count_parameters(model) == experiment.notes["figures"]["parameters"]
    assert count_parameters(model, trainable=True) == trainable
    assert count_parameters(model.backbones[0]) == 20_024_384


def test_a_learner_shortens_and_changes_all_variants_or_one() -> None:
    experiment = read_experiment("daisy-cnn")
    settings = {"as_written.train.learning_rate": "1e-4", "train.batch_size": "8"}
    found = changed(experiment, settings=settings, epochs=7, quick=False)
    assert {recipe.train.epochs for recipe in found.values()} == {7}
    assert {recipe.train.batch_size for recipe in found.values()} == {8}
    assert found[AS_WRITTEN].train.learning_rate == 1e-4
    assert found[DONE_WELL].train.learning_rate == experiment.variants[DONE_WELL].train.learning_rate
    quick = changed(experiment, settings={}, epochs=None, quick=True)
    assert {recipe.train.epochs for recipe in quick.values()} == {QUICK_EPOCHS}


def test_wrong_words_are_answered() -> None:
    with pytest.raises(ValueError, match="Did you mean 'daisy-mlp'"):
        read_experiment("daisy-mpl")
    experiment = read_experiment("daisy-mlp")
    with pytest.raises(ValueError, match="Unknown setting 'train.epoch'"):
        changed(experiment, settings={"as_written.train.epoch": "3"}, epochs=None, quick=False)
    with pytest.raises(ValueError, match="`epochs` must be 1 or more"):
        changed(experiment, settings={}, epochs=0, quick=False)


VARIANTS = """
[variants.a]
strategy = "scratch"
[variants.b]
recipe = "a"
train.epochs = 3
[variants.c]
label = "the third"
"""


def test_a_file_has_a_base_labels_and_pairs(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "probe"\ncompare = [["c", "a"]]\n[data]\ntask = "regression"\n' + VARIANTS)
    experiment = read_experiment(str(path))
    assert (experiment.name, experiment.title, experiment.seeds) == ("mine", "mine", (0,))
    assert [recipe.strategy for recipe in experiment.variants.values()] == ["scratch", "scratch", "probe"]
    assert experiment.variants["b"].train.epochs == 3
    assert experiment.labels == {"a": "a", "b": "b", "c": "the third"}
    assert experiment.compare == [("a", "c")]
    assert experiment.needs.reading.task == "regression"


def test_the_first_and_the_last_variant_are_compared_with_all(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(VARIANTS)
    assert read_experiment(str(path)).compare == [("a", "c"), ("a", "b"), ("b", "c")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = 3\n" + VARIANTS, "must hold nothing but about, .*: seed`. Did you mean 'seeds'"),
        ("about = 3\n" + VARIANTS, "about` must be a text. Received 3"),
        ("data = 'photos'\n" + VARIANTS, "data` must be an object. Received 'photos'"),
        ("seeds = 3\n" + VARIANTS, "seeds` must be a list"),
        ("variants = 3\n", "variants` must be an object. Received 3"),
        ("variants = {a = 1, b = 2}\n", "variants.a` must be an object. Received 1"),
        ("[data]\nside = 'x'\n" + VARIANTS, "data.side` must be a whole number"),
        ("[variants.'a/../b']\n" + VARIANTS, "must be names of folders. Received 'a/../b'"),
        (VARIANTS + "[variants.d]\nlabel = 3\n", "variants.d.label` must be a text. Received 3"),
        ('compare = [["a", "d"]]\n' + VARIANTS, "`compare` must hold pairs of a, b, c"),
        ("[data]\ntarge = 'x'\n" + VARIANTS, "Did you mean 'target'"),
        ("[variants.a]\n", "two variants or more. Received 1"),
        ("[variants", "must be TOML"),
    ],
)
def test_a_wrong_file_is_answered(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises((ValueError, TypeError, DataError), match=said):
        read_experiment(str(path))


def test_the_net_of_a_table_is_the_same_in_both_variants() -> None:
    experiment = read_experiment("boston-mlp")
    assert experiment.needs.reading.target == "last"
    for variant, nets in ((AS_WRITTEN, 1), ("same_net", 4)):
        table = experiment.variants[variant].table
        sizes = [13, *table.hidden_layer_sizes, 1]
        count = sum((before + 1) * after for before, after in zip(sizes[:-1], sizes[1:], strict=True))
        assert (count, table.ensemble_size, table.models) == (179_713, nets, ("nets",))
    assert experiment.variants[DONE_WELL].table == TableSettings()


def test_the_nets_of_a_table_are_shortened_too() -> None:
    experiment = read_experiment("boston-mlp")
    settings = {"as_written.table.epochs": "3", "table.batch_size": "16"}
    found = changed(experiment, settings=settings, epochs=7, quick=False)
    assert [recipe.table.epochs for recipe in found.values()] == [3, 7, 7]
    assert {recipe.table.batch_size for recipe in found.values()} == {16}
    assert changed(experiment, settings={}, epochs=None, quick=False) == dict(experiment.variants)
    quick = changed(experiment, settings={}, epochs=None, quick=True)
    assert {(r.table.epochs, r.table.folds, r.table.repeats) for r in quick.values()} == {(2, 2, 1)}
