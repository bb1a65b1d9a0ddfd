from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mindle.artifacts.label_issues import Verdict
from mindle.data.common.decisions import decide
from mindle.errors import DataError
from mindle.records import Column as TableColumn
from mindle.records import Dataset, FileImages, Table, Task


def sha(letter: str) -> str:
    return letter * 64


def photos(**changes: Any) -> Dataset:
    from pathlib import Path

    names = ("a", "b", "c", "d", "e")
    fields: dict[str, Any] = {
        "name": "photos",
        "kind": "folder",
        "source": "photos",
        "classes": ("cat", "=dog"),
        "labels": np.array([0, 0, 1, 1, 0]),
        "paths": names,
        "images": FileImages(root=Path("."), names=names),
        "given": ("",) * 5,
        "groups": ("",) * 5,
        "set_aside": ("", "", "", "", "tiny"),
        "sha256": tuple(map(sha, "abcde")),
        "splits": ("train", "val", "test", "train", ""),
    }
    return Dataset(**{**fields, **changes})


def verdict(path: str, what: str, new: str = "", *, of: str = "") -> Verdict:
    return Verdict(path=path, sha256=sha(of or path), verdict=what, new_label=new, line=7)


def kinds(data: Any) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.files for finding in data.findings}


def test_train_and_val_change_and_nothing_else() -> None:
    decided = decide(
        photos(), [verdict("a", "relabel", "=dog"), verdict("b", "set_aside"), verdict("d", "keep")]
    )
    after = decided.applied
    assert after.labels.tolist() == [1, 0, 1, 1, 0]
    assert after.set_aside == ("", "decided", "", "", "tiny")
    assert after.splits == ("train", "", "test", "train", "")
    assert kinds(after) == {"relabelled": ("a",), "decided": ("b",)}
    assert decided.data.labels.tolist() == photos().labels.tolist()
    assert dict(decided.counts) == {"relabelled": 1, "set_aside": 1, "kept": 1, "on_test": 0, "outdated": 0}


@pytest.mark.parametrize(
    "second",
    [verdict("a", "set_aside"), verdict("a", "relabel", "cat"), verdict("elsewhere", "keep", of="a")],
)
def test_verdicts_that_disagree_are_refused(second: Verdict) -> None:
    with pytest.raises(DataError, match="must agree about a"):
        decide(photos(), [verdict("a", "relabel", "=dog"), second])


def test_a_verdict_given_twice_counts_once() -> None:
    decided = decide(photos(), [verdict("a", "relabel", "=dog")] * 2)
    assert decided.counts["relabelled"] == 1
    assert kinds(decided.applied) == {"relabelled": ("a",)}


def test_test_labels_are_never_changed_silently() -> None:
    decided = decide(photos(), [verdict("c", "relabel", "cat"), verdict("c", "set_aside")])
    after = decided.applied
    assert after.labels.tolist() == photos().labels.tolist()
    assert after.rows("test").tolist() == [2]
    assert kinds(after) == {"decision-on-test": ("c", "c")}
    assert [finding.decision for finding in after.findings] == [True]


def test_a_changed_file_is_left_alone_and_a_renamed_one_is_found() -> None:
    changed = decide(photos(), [verdict("a", "relabel", "=dog", of="x")])
    assert changed.applied.labels.tolist() == photos().labels.tolist()
    assert kinds(changed.data) == {"decision-outdated": ("a",)}
    renamed = decide(photos(), [verdict("old/name", "relabel", "=dog", of="a")])
    assert renamed.applied.labels[0] == 1


def test_of_copies_the_named_one_is_meant() -> None:
    data = photos(sha256=tuple(map(sha, "aacde")))
    decided = decide(data, [verdict("b", "relabel", "=dog", of="a")])
    assert decided.applied.labels[:2].tolist() == [0, 1]


def test_an_unknown_label_is_refused_with_its_line() -> None:
    with pytest.raises(DataError, match="Line 7 of `decisions`.*Did you mean 'cat'"):
        decide(photos(), [verdict("a", "relabel", "catt")])


def test_names_are_compared_in_one_unicode_form() -> None:
    data = photos(classes=("\uace0\uc591\uc774", "dog"))
    decided = decide(data, [verdict("d", "relabel", "\u1100\u1169\u110b\u1163\u11bc\u110b\u1175")])
    assert decided.applied.labels[3] == 0


def test_numbers_of_a_table_without_a_split() -> None:
    cells = {"x": np.arange(3.0), "y": np.array([1.0, 20.0, 3.0])}
    columns = (TableColumn(name="x", kind="number"), TableColumn(name="y", kind="number", role="target"))
    table = Table(
        name="t",
        kind="csv",
        source="t",
        task=Task("regression"),
        targets=cells["y"],
        columns=columns,
        cells=cells,
        rows_from=(1, 2, 3),
        sha256=tuple(map(sha, "abc")),
    )
    decided = decide(
        table, [verdict("row 2", "relabel", "2.0", of="b"), verdict("row 3", "set_aside", of="c")]
    )
    assert decided.learned.tolist() == [1.0, 2.0, 3.0]
    assert decided.aside.tolist() == [False, False, True]
    assert decided.data.truth.tolist() == [1.0, 20.0, 3.0]
    with pytest.raises(DataError, match="must be a number"):
        decide(table, [verdict("row 2", "relabel", "two", of="b")])
