"""Rows answered by a bundle, without torch."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, save

from mindle.artifacts.bundle import Bundle, read_bundle, write_bundle_document
from mindle.errors import DataError
from mindle.records import Column, TableSpec
from mindle.serving.opened import open_model
from tests.processes import python

COLUMNS = (
    Column(name="who", kind="category", role="id"),
    Column(name="a", kind="number", thousands=","),
    Column(name="b", kind="number"),
    Column(name="sum", kind="number", role="target"),
)


def adder(folder: Path, *, intervals: bool = True) -> Bundle:
    """A bundle that adds two columns, 0 where missing; its two folds are off by one, either way."""
    folder.mkdir(parents=True)
    nodes = [
        helper.make_node("IsNaN", ["numbers"], ["missing"]),
        helper.make_node("Where", ["missing", "nothing", "numbers"], ["filled"]),
        helper.make_node("ReduceSum", ["filled", "axis"], ["column"], keepdims=1),
        helper.make_node("Squeeze", ["column", "axis"], ["estimate"]),
        helper.make_node("Add", ["column", "off"], ["fold_estimates"]),
    ]
    constants = [
        helper.make_tensor("nothing", TensorProto.DOUBLE, [], [0.0]),
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("off", TensorProto.DOUBLE, [2], [-1.0, 1.0]),
    ]
    inputs = [helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, ["row", 2])]
    outputs = [
        helper.make_tensor_value_info("estimate", TensorProto.DOUBLE, ["row"]),
        helper.make_tensor_value_info("fold_estimates", TensorProto.DOUBLE, ["row", 2]),
    ]
    graph = helper.make_graph(nodes, "adder", inputs, outputs, constants)
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(folder / "model.onnx"),
    )
    numbers = np.array([[1.0, 2.0], [3.0, 4.0]])
    total = numbers.sum(axis=1)
    np.savez(
        folder / "reference.npz",
        numbers=numbers,
        estimate=total,
        fold_estimates=np.stack([total - 1, total + 1], axis=1),
    )
    if intervals:
        np.savez(folder / "intervals.npz", errors=np.tile(np.arange(20.0), 2), counts=np.array([20, 20]))
    bundle = Bundle(
        folder=folder,
        classes=(),
        spec=TableSpec(columns=COLUMNS, task="regression"),
        temperature=1.0,
        metrics={},
        licences=(),
        details={"task": "regression"},
    )
    write_bundle_document(bundle)
    return bundle


def answered(folder: Path, sources: list[Any]) -> list[dict[str, Any]]:
    opened = open_model(folder)
    return list(opened.rows(opened.source.inputs(sources)))


def test_numbers_are_read_as_those_of_training_were(tmp_path: Path) -> None:
    adder(tmp_path / "bundle")
    (tmp_path / "rows.csv").write_text('b,extra,a,who\n2,x,"1,000",Ada\n3,y,4,Bob\n', "utf-8")
    rows = answered(tmp_path / "bundle", [str(tmp_path / "rows.csv")])
    assert [row["predicted"] for row in rows] == [1002.0, 7.0]
    assert [(row["path"], row["row"], row["who"]) for row in rows] == [
        (str(tmp_path / "rows.csv"), 1, "Ada"),
        (str(tmp_path / "rows.csv"), 2, "Bob"),
    ]
    assert all(row["low"] < row["predicted"] < row["high"] for row in rows)


def test_without_held_out_errors_there_are_no_intervals(tmp_path: Path) -> None:
    adder(tmp_path / "bundle", intervals=False)
    (row,) = answered(tmp_path / "bundle", [{"a": 1, "b": 2}])
    assert list(row) == ["path", "row", "who", "predicted", "reason"]


def test_mappings_are_one_source_and_files_another(tmp_path: Path) -> None:
    adder(tmp_path / "bundle")
    (tmp_path / "rows.jsonl").write_text('{"a": 1, "b": 1}\n{"a": 5, "b": 5}\n', "utf-8")
    rows = answered(
        tmp_path / "bundle", [{"a": 2, "b": 2}, str(tmp_path / "rows.jsonl"), {"a": 3, "b": 3}, {"a": 4}]
    )
    assert [row["predicted"] for row in rows] == [2, 10, 4, 6, None]
    assert "lacks 'b'" in rows[-1]["reason"]


def test_missing_columns_are_named(tmp_path: Path) -> None:
    adder(tmp_path / "bundle")
    (tmp_path / "rows.csv").write_text("c,d\n1,2\n", "utf-8")
    with pytest.raises(DataError, match="without a, b"):
        answered(tmp_path / "bundle", [str(tmp_path / "rows.csv")])


def test_answering_loads_no_torch(tmp_path: Path) -> None:
    adder(tmp_path / "bundle")
    code = (
        "import sys\nfrom mindle.serving.opened import open_model\n"
        f"opened = open_model({str(tmp_path / 'bundle')!r})\n"
        "print(next(opened.rows(opened.source.inputs([{'a': 1, 'b': 2}])))['predicted'])\n"
        "print([m for m in ('torch', 'sklearn', 'pandas', 'matplotlib', 'timm') if m in sys.modules])"
    )
    run = python(code)
    assert run.stdout.splitlines() == ["3.0", "[]"]
    assert read_bundle(tmp_path / "bundle").intervals()["counts"].tolist() == [20, 20]


def test_a_blank_row_keeps_its_number_and_gets_its_answer(tmp_path: Path) -> None:
    adder(tmp_path / "bundle")
    (tmp_path / "rows.csv").write_text("who,a,b\nAda,1,2\n,,\n\nBob,3,4\nEva,5\n", "utf-8")
    rows = answered(tmp_path / "bundle", [str(tmp_path / "rows.csv")])
    assert [(row["row"], row["who"]) for row in rows] == [(1, "Ada"), (2, ""), (3, "Bob"), (4, "")]
    assert [row["reason"] == "" for row in rows] == [True, True, True, False]
    assert [rows[0]["predicted"], rows[2]["predicted"]] == [3, 7]


def test_what_is_read_otherwise_or_not_at_all_is_reported(tmp_path: Path) -> None:
    adder(tmp_path / "bundle")
    file = str(tmp_path / "rows.csv")
    Path(file).write_text("a;b\n1,5;2,5\n3,5;many\n", "utf-8")
    opened = open_model(tmp_path / "bundle")
    rows = list(opened.rows(opened.source.inputs([file])))
    assert rows[0]["predicted"] == 4
    assert opened.source.report.sentences() == [
        f"{file!r} is read as it is written: a decimal comma in a, b (training: decimal point)",
        f"1 cell of 'b' in {file!r} is not a number and is read as missing; first in row 2: 'many'",
    ]


def test_a_column_without_any_number_is_refused(tmp_path: Path) -> None:
    adder(tmp_path / "bundle")
    with pytest.raises(DataError, match="where none of 2 cells of 'b' is a number; first in row 1: 'inf'"):
        answered(tmp_path / "bundle", [{"a": [1, 2], "b": ["inf", "7.5 EUR"]}])


def test_lists_by_column_are_a_table(tmp_path: Path) -> None:
    adder(tmp_path / "bundle")
    rows = answered(tmp_path / "bundle", [{"a": [1, 2], "b": [3, 4]}, {"a": 5, "b": 5}])
    assert [(row["row"], row["predicted"]) for row in rows] == [(1, 4), (2, 6), (1, 10)]


@pytest.mark.parametrize("seed", range(20))
def test_mutated_files_end_with_answers_or_a_sentence(tmp_path: Path, seed: int) -> None:
    adder(tmp_path / "bundle")
    rng = np.random.default_rng(seed)
    table = "who,a,b,sum\n" + "".join(f'n{n},"1,{n}00.5",{n / 3:.3f},{n}\n' for n in range(8))
    content = bytearray(table.encode())
    for at in rng.integers(len(content), size=rng.integers(1, 9)):
        content[at : at + rng.integers(3)] = rng.choice(list(b'\x00\xff";,\n\r\t.-eE9 |')).tobytes()[:1]
    file = tmp_path / "rows.csv"
    file.write_bytes(content)
    opened = open_model(tmp_path / "bundle")
    for call in (lambda: list(opened.rows([str(file)])), lambda: opened.evaluate(file)):
        with suppress(DataError):
            call()


def test_a_list_in_a_cell_makes_no_table_of_a_row(tmp_path: Path) -> None:
    adder(tmp_path / "bundle")
    given = [{"a": 1, "b": 2, "tags": [1, 2]}, {"a": [1], "b": 2}, {"a": 3, "b": 4}]
    rows = answered(tmp_path / "bundle", given)
    assert [(row["row"], row["predicted"]) for row in rows] == [(1, 3), (2, 2), (3, 7)]
    (row,) = answered(tmp_path / "bundle", given[:1])
    assert row["predicted"] == 3
    with pytest.raises(DataError, match="of one length. Received 'a' 2, 'b' 1"):
        answered(tmp_path / "bundle", [{"a": [1, 2], "b": 2}])
