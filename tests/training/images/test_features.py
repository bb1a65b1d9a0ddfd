"""Features: those of PyTorch, stored by content, each of its image only."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mindle.engines import openvino, trial
from mindle.models.pretrained.cards import WeightCard
from mindle.models.pretrained.weights import find_weights, random_card
from mindle.records import Silent
from mindle.training.images.embedding import Embedding
from mindle.training.images.features import BATCH, Engine, Views
from mindle.training.settings import AugmentSettings
from tests.engines.graphs import require_bfloat16

SIDE = 64
WIDTH = 1280
FLIPS = AugmentSettings(flip="horizontal", crop=0.5)


class Heard(Silent):
    """Keeps every report of progress and every sentence."""

    def __init__(self) -> None:
        self.progresses: list[tuple[int, int]] = []
        self.sentences: list[str] = []

    def progress(self, stage: str, done: int, total: int) -> None:
        assert stage == "embed"
        self.progresses.append((done, total))

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


class Counted:
    """Images that count how many of them were fetched, and fail after some."""

    def __init__(self, images: NDArray[np.uint8], fail_after: int = 10**9) -> None:
        self.images = images
        self.fail_after = fail_after
        self.fetched = 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        if self.fetched + len(rows) > self.fail_after:
            raise OSError("the disk was pulled out")
        self.fetched += len(rows)
        return self.images[rows]


def embed(card: WeightCard, pixels: Any, keys: list[str], **options: Any) -> NDArray[np.float32]:
    """Features by an engine of their own."""
    views = Views(options.pop("views", 0), options.pop("augment", AugmentSettings()), options.pop("seed", 0))
    return Engine(card, **options).embed(pixels, keys, views)


def embedded() -> WeightCard:
    """The backbone that comes with mindle."""
    return next(card for card in find_weights() if card.model == "tf_efficientnet_lite0")


def photos(count: int, side: int = SIDE, seed: int = 0) -> NDArray[np.uint8]:
    """Blurred noise: images that a net sees something in."""
    noise = np.random.default_rng(seed).integers(0, 256, (count, side // 8, side // 8, 3), np.uint8)
    return noise.repeat(8, axis=1).repeat(8, axis=2)


def keys(count: int) -> list[str]:
    return [f"image {number}" for number in range(count)]


def different(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Largest difference, relative to the largest feature."""
    return float(np.abs(one - other).max() / np.abs(other).max())


@pytest.fixture(scope="module")
def card() -> WeightCard:
    """Real weights for small images, so that a test takes a moment."""
    full = embedded()
    return replace(full, spec=replace(full.spec, height=SIDE, width=SIDE))


@pytest.fixture(scope="module")
def made(card: WeightCard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the graph of the card, but no features."""
    folder = tmp_path_factory.mktemp("made")
    Engine(card, cache=folder, threads=1).run(photos(BATCH))
    return folder


@pytest.fixture
def ready(made: Path, cache: Path) -> Path:
    """A cache of the test's own, with that graph in it."""
    shutil.copytree(made / "graphs", cache / "graphs")
    return cache


@pytest.mark.slow
def test_features_are_those_of_pytorch_at_full_size(cache: Path) -> None:
    full = embedded()
    images = photos(3, side=full.spec.height)
    found = embed(full, images, keys(3), threads=1)
    with torch.inference_mode():
        expected = Embedding(full, "avg").eval()(torch.from_numpy(images)).numpy()
    assert found.shape == (1, 3, WIDTH)
    assert different(found[0], expected) < 1e-4


@pytest.mark.parametrize(("pooling", "width"), [("avg", WIDTH), ("max", WIDTH), ("both", 2 * WIDTH)])
def test_every_pooling_gives_what_pytorch_gives(
    pooling: str, width: int, card: WeightCard, cache: Path
) -> None:
    images = photos(3)
    found = embed(card, images, keys(3), pooling=pooling, threads=1)
    with torch.inference_mode():
        expected = Embedding(card, pooling).eval()(torch.from_numpy(images)).numpy()
    assert found.shape == (1, 3, width)
    assert found.dtype == np.float32
    assert different(found[0], expected) < 1e-4


def test_no_pooling_is_taken_for_the_average(card: WeightCard) -> None:
    assert Engine(card, pooling="none").name == Engine(card, pooling="avg").name
    assert Engine(card, pooling="max").name != Engine(card, pooling="avg").name


def test_the_graph_is_proven_when_it_is_made(card: WeightCard, made: Path) -> None:
    (proof,) = (made / "graphs").glob("*.json")
    assert 0 <= json.loads(proof.read_text("utf-8"))["difference"] < 1e-4


def test_a_graph_that_answers_otherwise_is_left_for_pytorch(card: WeightCard, ready: Path) -> None:
    """The proof says so; what is embedded then does not need the graph at all."""
    images = photos(2)
    (proof,) = (ready / "graphs").glob("*.json")
    proof.write_text(json.dumps({"difference": 0.5, "card": card.name}), "utf-8")
    next((ready / "graphs").glob("*.onnx")).write_bytes(b"no graph")
    with torch.inference_mode():
        expected = Embedding(card, "avg").eval()(torch.from_numpy(images)).numpy()
    assert different(embed(card, images, keys(2), threads=1)[0], expected) < 1e-4


def test_a_second_call_embeds_nothing(card: WeightCard, ready: Path) -> None:
    first, second = Heard(), Heard()
    images = Counted(photos(20))
    found = embed(card, images, keys(20), listener=first, threads=1)
    assert first.progresses == [(0, 20), (16, 20), (20, 20)]
    assert images.fetched == 20
    again = embed(card, images, keys(20), listener=second, threads=1)
    assert images.fetched == 20
    assert second.progresses == []
    assert Engine(card).missing(keys(20)) == 0
    np.testing.assert_array_equal(again, found)


def test_a_second_call_needs_no_graph(card: WeightCard, ready: Path) -> None:
    found = embed(card, photos(3), keys(3), threads=1)
    shutil.rmtree(ready / "graphs")
    np.testing.assert_array_equal(embed(card, photos(3), keys(3), threads=1), found)
    assert not (ready / "graphs").exists()


def test_an_interrupted_call_goes_on_with_what_is_missing(card: WeightCard, ready: Path) -> None:
    expected = embed(card, photos(20), [f"other {key}" for key in keys(20)], threads=1)
    with pytest.raises(OSError, match="pulled out"):
        embed(card, Counted(photos(20), fail_after=BATCH), keys(20), threads=1)
    assert Engine(card).missing(keys(20)) == 20 - BATCH
    rest, heard = Counted(photos(20)), Heard()
    found = embed(card, rest, keys(20), listener=heard, threads=1)
    assert rest.fetched == 20 - BATCH
    assert heard.progresses == [(BATCH, 20), (20, 20)]
    np.testing.assert_array_equal(found, expected)


def test_new_images_are_embedded_beside_the_old_ones(card: WeightCard, ready: Path) -> None:
    few = embed(card, photos(5), keys(5), threads=1)
    images = Counted(photos(9))
    more = embed(card, images, keys(9), threads=1)
    assert images.fetched == 4
    np.testing.assert_array_equal(more[:, :5], few)


def test_a_row_depends_on_its_own_image_only(card: WeightCard, ready: Path) -> None:
    """Alone, in another order, beside others, in another batch: the same numbers to the last bit."""
    images = photos(20)
    together = embed(card, images, keys(20), threads=1)[0]
    order = np.random.default_rng(0).permutation(20)
    turned = embed(card, images[order], [f"turned {place}" for place in range(20)], threads=1)[0]
    np.testing.assert_array_equal(turned, together[order])
    alone = embed(card, images[17:18], ["alone"], threads=1)[0]
    np.testing.assert_array_equal(alone[0], together[17])
    assert different(together[0], together[1]) > 0.1


def test_keys_say_which_rows_are_given_and_in_which_order(card: WeightCard, ready: Path) -> None:
    found = embed(card, photos(6), keys(6), threads=1)
    nothing = Counted(photos(6), fail_after=0)  # whatever the cache holds needs no pixels
    np.testing.assert_array_equal(embed(card, nothing, keys(6)[::-1], threads=1), found[:, ::-1])


def test_an_image_that_occurs_twice_is_embedded_once(card: WeightCard, ready: Path) -> None:
    places = np.array([0, 1, 0, 2, 1, 0])
    images, heard = Counted(photos(3)[places]), Heard()
    found = embed(card, images, [keys(3)[place] for place in places], listener=heard, threads=1)
    assert images.fetched == 3
    assert heard.progresses == [(3, 6), (6, 6)]
    np.testing.assert_array_equal(found, embed(card, photos(3), keys(3), threads=1)[:, places])


def test_views_come_after_the_plain_images(card: WeightCard, ready: Path) -> None:
    plain = embed(card, photos(4), keys(4), threads=1)
    images = Counted(photos(4))
    found = embed(card, images, keys(4), views=2, augment=FLIPS, threads=1)
    assert found.shape == (3, 4, WIDTH)
    assert images.fetched == 8  # the plain ones were there
    np.testing.assert_array_equal(found[0], plain[0])
    for view in (1, 2):
        assert all(different(found[view, row], found[0, row]) > 1e-3 for row in range(4))
    assert different(found[1], found[2]) > 1e-3


def test_missing_counts_views_as_well_and_copies_once(card: WeightCard, ready: Path) -> None:
    engine, copies = Engine(card, threads=1), [*keys(4), *keys(2)]
    engine.embed(photos(4), keys(4), Views(1, FLIPS, 5))
    assert engine.missing(copies) == 0
    assert engine.missing(copies, Views(1, FLIPS, 5)) == 0
    assert engine.missing(copies, Views(3, FLIPS, 5)) == 8
    assert engine.missing(copies, Views(1, FLIPS, 6)) == 4
    assert engine.missing([*copies, "new", "new"]) == 1


def test_a_view_without_augmentation_is_the_image_itself(card: WeightCard, ready: Path) -> None:
    found = embed(card, photos(2), keys(2), views=1, threads=1)
    np.testing.assert_array_equal(found[1], found[0])


def test_views_are_the_same_for_the_same_seed_wherever_they_are_made(
    card: WeightCard, ready: Path, tmp_path: Path
) -> None:
    images = photos(4)
    shutil.copytree(ready / "graphs", tmp_path / "other" / "graphs")
    first = embed(card, images, keys(4), views=1, augment=FLIPS, seed=3, threads=1)
    torch.manual_seed(1)  # what else draws in the process changes nothing
    turned = embed(
        card,
        images[::-1],
        keys(4)[::-1],
        views=1,
        augment=FLIPS,
        seed=3,
        cache=tmp_path / "other",
        threads=1,
    )
    np.testing.assert_array_equal(turned[:, ::-1], first)


def test_views_differ_by_seed_and_by_augmentation(card: WeightCard, ready: Path) -> None:
    wishes = [(FLIPS, 0), (FLIPS, 1), (replace(FLIPS, brightness=0.3), 0)]
    found = [embed(card, photos(3), keys(3), views=1, augment=a, seed=s, threads=1) for a, s in wishes]
    for other in found[1:]:
        np.testing.assert_array_equal(other[0], found[0][0])
        assert different(other[1], found[0][1]) > 1e-3
    np.testing.assert_array_equal(
        embed(card, photos(3), keys(3), views=1, augment=FLIPS, threads=1), found[0]
    )


def test_the_users_pixels_stay_as_they_are(card: WeightCard, ready: Path) -> None:
    images = photos(3)
    embed(card, images, keys(3), views=1, augment=FLIPS, threads=1)
    np.testing.assert_array_equal(images, photos(3))


def test_no_images_have_no_features_but_their_width(card: WeightCard, ready: Path) -> None:
    assert embed(card, photos(0), [], threads=1).shape == (1, 0, WIDTH)
    assert embed(card, photos(0), [], views=2, threads=1).shape == (3, 0, WIDTH)
    assert Engine(card, threads=1).missing([]) == 0


@pytest.mark.parametrize("count", [0, 2, 4])
def test_every_image_must_have_a_key(count: int, card: WeightCard, ready: Path) -> None:
    words = rf"`keys` must have one key an image\. Received {count} keys, 3 images"
    with pytest.raises(ValueError, match=words):
        embed(card, photos(3), keys(count), threads=1)


def test_random_weights_have_no_features_worth_keeping() -> None:
    with pytest.raises(ValueError, match=r"must have a weight file with a hash\. Received resnet10t"):
        Engine(random_card("resnet10t"))


def test_whatever_changes_the_features_changes_their_name(card: WeightCard, cache: Path) -> None:
    cards = [
        card,
        replace(card, sha256="0" * 64),
        replace(card, spec=replace(card.spec, height=96)),
        replace(card, spec=replace(card.spec, fit="crop")),
        replace(card, spec=replace(card.spec, mean=(0.0, 0.0, 0.0))),
        replace(card, spec=replace(card.spec, std=(1.0, 1.0, 1.0))),
        replace(card, arguments={**card.arguments, "drop_rate": 0.1}),
    ]
    names = [Engine(each).name for each in cards]
    assert len(set(names)) == len(names)
    assert Engine(replace(card, name="renamed", source="elsewhere")).name == names[0]
    assert Engine(card, device="cuda").name != names[0]


def test_the_width_is_known_from_the_cache_without_a_graph(card: WeightCard, ready: Path) -> None:
    embed(card, photos(1), keys(1), threads=1)
    shutil.rmtree(ready / "graphs")
    assert Engine(card).width() == WIDTH
    assert not (ready / "graphs").exists()


def test_the_time_of_an_image_is_judged_without_keeping_its_features(card: WeightCard, ready: Path) -> None:
    engine = Engine(card, threads=1)
    assert engine.seconds_an_image(photos(3)) > 0
    assert engine.missing(keys(3)) == 3


# ── how the graph runs ───────────────────────────────────────────────────────────────────────────


def test_features_of_two_engines_are_kept_apart_and_of_two_plans_of_one_are_not(
    card: WeightCard, ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for pin in ("onnxruntime", "onnxruntime:batch=4,streams=2", "openvino"):
        monkeypatch.setenv("MINDLE_ENGINE", pin)
        names.append(Engine(card).name)
    names.append(Engine(card, precision="bfloat16").name)
    assert len(set(names)) == 3
    assert names[0] == names[1]


def test_features_in_bfloat16_are_near_and_never_taken_for_others(
    card: WeightCard, ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_bfloat16()
    monkeypatch.setenv("MINDLE_ENGINE", "openvino")
    images = photos(20)
    expected = embed(card, images, keys(20))
    engine = Engine(card, precision="bfloat16")
    assert engine.missing(keys(20)) == 20
    found = engine.embed(images, keys(20))
    assert 1e-4 < different(found[0], expected[0]) < 0.3
    assert Engine(card).missing(keys(20)) == 0
    np.testing.assert_array_equal(embed(card, images, keys(20)), expected)


def test_a_backbone_has_one_graph_whichever_engine_runs_it(
    card: WeightCard, ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    images = photos(20)
    expected = embed(card, images, keys(20), threads=1)
    monkeypatch.setenv("MINDLE_ENGINE", "openvino:batch=4,streams=2")
    found = embed(card, images, keys(20))
    assert 0 < different(found[0], expected[0]) < 1e-4
    assert len(list((ready / "graphs").glob("*.onnx"))) == 1
    assert len(list((ready / "features").iterdir())) == 2


def test_a_resumed_run_keeps_its_plan_unless_one_is_pinned(
    card: WeightCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MINDLE_ENGINE")
    plan = "openvino:batch=4,streams=2,threads=1"
    engine = Engine(card)
    engine.follow(plan)
    assert str(engine.plan) == plan
    engine.follow(None)
    assert str(engine.plan) == plan
    monkeypatch.setenv("MINDLE_ENGINE", "onnxruntime:batch=1,streams=1,threads=1")
    pinned = Engine(card)
    pinned.follow(plan)
    assert pinned.plan.engine == "onnxruntime"


def test_a_resumed_run_goes_on_where_its_engine_broke(
    card: WeightCard, ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MINDLE_ENGINE")
    monkeypatch.setattr(openvino, "why_not", lambda precision: "OSError: no frontend")
    engine = Engine(card, threads=1)
    engine.follow("openvino:batch=4,streams=2,threads=1")
    assert engine.plan.engine == "onnxruntime"
    assert engine.run(photos(1)).shape == (1, WIDTH)


@pytest.mark.parametrize(("rows", "count"), [(1000, 3), (0, 20)])
def test_many_rows_are_worth_a_trial_before_they_are_embedded(
    rows: int, count: int, card: WeightCard, ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MINDLE_ENGINE")
    for name, value in {"_LEAST_WORK": 0.0, "_UNDISTURBED": 0.0, "_FASTER": np.inf}.items():
        monkeypatch.setattr(trial, name, value)  # as on an idle machine
    engine = Engine(card, threads=1, rows=rows)
    engine.embed(photos(count), keys(count))
    (known,) = (json.loads(file.read_text("utf-8")) for file in (ready / "engines").glob("*.json"))
    assert known["plan"] == engine.plan.as_dict()
    assert Engine(card, threads=1, rows=1000).plan == engine.plan
