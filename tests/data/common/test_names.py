"""Names: the words of a split in any spelling, and words that only look like them."""

from __future__ import annotations

import pytest

from mindle.data.common.names import split_of, splits_in, splits_of

TRAIN = "train Train TRAINING training_set train-images TrainSet trainset 1.Training train_1 trainval 학습"
VAL = "val valid Validation validation_data val_set dev devset eval 검증"
TEST = "test Tests TESTING test1 test_set test-images testset TestData 2-test 테스트"


@pytest.mark.parametrize(("part", "words"), [("train", TRAIN), ("val", VAL), ("test", TEST)])
def test_common_spellings_name_a_part(part: str, words: str) -> None:
    assert {word: split_of(word) for word in words.split()} == dict.fromkeys(words.split(), part)


@pytest.mark.parametrize(
    "word", "testudo trainers contest valley steam_train train_test set images 1 _".split()
)
def test_other_names_are_no_parts(word: str) -> None:
    assert split_of(word) is None


def test_a_word_that_all_siblings_share_means_nothing() -> None:
    assert splits_of(["seg_train", "seg_test", "seg_pred"]) == {"seg_train": "train", "seg_test": "test"}
    assert splits_of(["X_train", "X_val"]) == {"X_train": "train", "X_val": "val"}
    assert splits_of(["cats_train", "dogs_train"]) == {}  # nothing that parts them
    assert splits_of(["old_train", "new_test"]) == {}


def test_words_within_a_name_are_found() -> None:
    assert splits_in("my old train and test photos") == {"train", "test"}
    assert splits_in("testudo graeca") == set()
