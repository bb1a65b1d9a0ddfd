"""One table says what is done about each kind of finding."""

from __future__ import annotations

import pytest

from mindle.data.common.findings import finding, kinds


def test_action_and_decision_come_from_the_table_unless_said() -> None:
    usual = finding("missing", ["a.jpg"], "1 link leads to nothing.")
    assert (usual.files, usual.action, usual.decision) == (("a.jpg",), "set aside", False)
    other = finding("missing", ["a.jpg"], "1 listed file does not exist.", action="kept", decision=True)
    assert (other.action, other.decision) == ("kept", True)


def test_a_decision_can_be_taken_back() -> None:
    assert finding("part-names", [], "").decision
    assert not finding("part-names", [], "", decision=False).decision


def test_another_kind_is_a_fault_of_ours() -> None:
    with pytest.raises(KeyError):
        finding("eaten", [], "")


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_says_what_is_done(kind: str) -> None:
    assert set(kinds()[kind]) <= {"action", "decision", "lead", "advice"}
    assert kind in ("encoding", "leak", "task") or kinds()[kind]["action"]
