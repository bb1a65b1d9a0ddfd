"""Sentences that can be said again in another language."""

from __future__ import annotations

import copy
import json

import numpy as np

from mindle.messages import (
    in_language,
    message,
    message_document,
    read_message,
    sentences_of,
    with_sentences,
)


def test_a_message_is_its_english_text() -> None:
    said = message("console.epoch", n=3)
    assert said == "epoch   3"
    assert json.loads(json.dumps(said)) == "epoch   3"
    assert said.in_language("ko") == "에포크   3"
    assert in_language("no message", "ko") == "no message"


def test_messages_inside_a_message_are_said_in_its_language() -> None:
    stage = message("console.stage.check")
    said = message("console.done", stage=stage, n=20, seconds=2.0, rate=10.0)
    assert said == "check: 20 images in 2.0 s, 10 images/s"
    assert said.in_language("ko") == "검사: 이미지 20장, 2.0초, 초당 10장"


def test_json_holds_what_a_message_needs() -> None:
    said = message(
        "console.done", stage=message("console.stage.check"), n=np.int64(20), seconds=2.0, rate=np.float64(10)
    )
    document = json.loads(json.dumps(message_document(said)))
    again = read_message(str(said), document)
    assert again == said
    assert in_language(again, "ko") == said.in_language("ko")


def test_a_sentence_of_another_version_stays_its_text() -> None:
    assert read_message("gone", {}) == "gone"
    assert read_message("gone", {"code": "data.gone", "values": {}}) == "gone"
    assert read_message("epoch 1", {"code": "console.epoch", "values": {"number": 1}}) == "epoch 1"


def test_a_copy_can_be_said_again() -> None:
    assert copy.deepcopy(message("console.epoch", n=3)).in_language("ko") == "에포크   3"


def test_the_sentences_of_a_document_come_back_wherever_they_stood() -> None:
    said, outer = message("console.epoch", n=1), message("console.epoch", n=2)
    document = {"a": [{"b": said}, "plain", 3, None], "c": outer, "d": str(said), outer: {said: 1}}
    stored = json.loads(json.dumps({**document, "sentences": sentences_of(document)}))
    restored = with_sentences(stored, stored.pop("sentences"))
    assert restored == document
    assert in_language(restored["a"][0]["b"], "ko") == "에포크   1"
    assert in_language(restored["c"], "ko") == "에포크   2"
    assert [in_language(name, "ko") for name in restored][-1] == "에포크   2"
    assert with_sentences(
        {"a": "of a later version"}, {"of a later version": {"code": "no.such", "values": {}}}
    ) == {"a": "of a later version"}
