from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import mindle.evaluation.report as report
from mindle.evaluation.report.sentences import Sentences
from mindle.messages import catalogue as every_sentence

# Families whose members are chosen by a value; what they may hold is decided by other rooms.
BY_VALUE = {"kind", "action", "stage", "baseline", "task", "split", "metric", "meaning", "method"}
BY_VALUE |= {
    "diagnosed",
    "environment",
    "columnkind",
    "columnrole",
    "sampler",
    "trial",
    "protocol",
    "classification",
    "regression",
}


def catalogue() -> dict[str, dict[str, str]]:
    """The sentences of the report, without the name of their file."""
    return {
        code.removeprefix("report."): texts
        for code, texts in every_sentence().items()
        if code.startswith("report.")
    }


def test_what_is_said_of_rows_names_no_image() -> None:
    variants = {name: texts for name, texts in catalogue().items() if "en_rows" in texts}
    assert len(variants) > 20
    for name, texts in variants.items():
        assert not re.search("image|photo|picture", texts["en_rows"], flags=re.I), name
        assert not re.search("이미지|사진", texts["ko_rows"]), name
    assert Sentences("en", "rows")("unit.images", n=2) == "2 rows"
    with pytest.raises(ValueError, match="`unit` must be one of images, rows. Received unit='words'"):
        Sentences("en", "words")


def asked() -> tuple[set[str], list[re.Pattern[str]]]:
    """Ids in the report's source: those written out, and patterns of those put together."""
    whole: set[str] = set()
    patterns = []
    folder = Path(report.__file__).parent
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                whole.add(node.value)
            if isinstance(node, ast.JoinedStr):
                pieces = [
                    re.escape(str(piece.value)) if isinstance(piece, ast.Constant) else r"[\w-]+"
                    for piece in node.values
                ]
                patterns.append(re.compile("".join(map(str, pieces))))
    for file in folder.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        whole |= set(re.findall(r'"([a-z_]+\.[a-z_0-9]+)"', text))
        for group, names in re.findall(r'say\.each\("(\w+)", (\[.*?\])', text):
            whole |= {f"{group}.{name}" for name in re.findall(r'"(\w+)"', names)}
        patterns += [re.compile(rf"{name}\.[\w-]+") for name in re.findall(r'"([a-z]+)\." ~', text)]
        patterns += [re.compile(rf"\w+\.{name}") for name in re.findall(r'~ "\.([a-z]+)"', text)]
    return whole, patterns


def test_no_sentence_is_unused_and_none_is_missing() -> None:
    whole, patterns = asked()
    # Put together from a group and a name of which one at least is written out.
    built = [pattern for pattern in patterns if re.search(r"[a-z]+\\\.|\\\.[a-z]+", pattern.pattern)]
    for name in catalogue():
        family = name.split(".")[0]
        used = name in whole or any(pattern.fullmatch(name) for pattern in built) or family in BY_VALUE
        assert used, f"{name} is never said"
    families = {name.split(".")[0] for name in catalogue()}
    for text in whole:
        if (
            re.fullmatch(r"[a-z]+\.[a-z_0-9]+", text)
            and text.split(".")[0] in families
            and not text.endswith((".css", ".html", ".toml", "_"))
        ):
            # The page of a certificate has sentences of its own beside those of every page.
            known = text in catalogue() or f"certificate.{text}" in every_sentence()
            assert known, f"{text} has no sentence"


def test_every_kind_of_finding_has_words_and_no_other() -> None:
    from mindle.data.common.findings import kinds

    known = {name.removeprefix("kind.") for name in catalogue() if name.startswith("kind.")}
    assert known == set(kinds())


def literals(node: ast.AST) -> set[str]:
    """The texts that an expression can be, as far as they are written out."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) | literals(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def named_so(target: ast.AST, value: ast.AST, name: str) -> set[str]:
    """The texts that a name gets where it, or a tuple with it, is assigned."""
    if isinstance(target, ast.Name):
        return literals(value) if target.id == name else set()
    if not (isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)):
        return set()
    pairs = zip(target.elts, value.elts, strict=False)
    return {text for one, assigned in pairs for text in named_so(one, assigned, name)}


def rows_of(loop: ast.For, function: ast.AST) -> list[ast.expr]:
    """What a loop runs over: a tuple that is written out, or the entries of the function's dictionaries."""
    if isinstance(loop.iter, ast.Tuple):
        return loop.iter.elts
    if getattr(getattr(loop.iter, "func", None), "attr", "") != "items":
        return []
    entries = [
        entry
        for node in ast.walk(function)
        if isinstance(node, ast.Dict)
        for entry in zip(node.keys, node.values, strict=True)
    ]
    return [ast.Tuple([key, value]) for key, value in entries if key]


def actions_in(function: ast.AST) -> set[str]:
    """Every text that a finding gets as its action: in its place, by name, or by a loop over tuples."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            place = {"add": node.args[3:4], "column_finding": node.args[3:4]}.get(called, [])
            if called == "_told_of":
                place = [row.elts[5] for row in node.args if isinstance(row, ast.Tuple)]
            place += [word.value for word in node.keywords if word.arg == "action"]
            found |= {text for each in place for text in literals(each)}
        elif isinstance(node, ast.Assign):
            found |= named_so(node.targets[0], node.value, "action")
        elif isinstance(node, ast.For):
            rows = rows_of(node, function)
            found |= {text for row in rows for text in named_so(node.target, row, "action")}
    return found


def actions_of_tables(tree: ast.Module) -> set[str]:
    """The actions in dictionaries of a module whose values end in (…, action, decision)."""
    rows = [row for table in tree.body for row in ast.walk(table) if isinstance(table, ast.Assign)]
    ends = [row.elts[-2:] for row in rows if isinstance(row, ast.Tuple) and len(row.elts) > 1]
    return {
        action.value
        for action, decision in ends
        if isinstance(action, ast.Constant) and isinstance(action.value, str)
        if isinstance(decision, ast.Constant) and isinstance(decision.value, bool)
    }


def test_every_action_has_words_and_no_other() -> None:
    import mindle.data
    from mindle.data.common.findings import kinds
    from mindle.data.images.sources.folder import WALK_ACTIONS
    from mindle.data.tables.parsing.opening import ENCODINGS

    files = Path(mindle.data.__file__).parent.rglob("*.py")
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    written = {text for function in functions for text in actions_in(function)}
    written |= {text for tree in trees for text in actions_of_tables(tree)}
    written |= {*WALK_ACTIONS.values(), *(kind.get("action", "") for kind in kinds().values())}
    written -= {""}  # the usual one
    assert {"never opened", "used once", "moved last", "kept together", "read as missing"} <= written
    encodings = {*ENCODINGS, "utf-16", "utf-16-le", "utf-16-be"} - {"utf-8"}
    put_together = {
        *(f"read as {encoding.upper()}" for encoding in encodings),
        *("dropped from train", "dropped from val", "dropped from train and val"),
        *("taken for classes", "taken for quantities"),
    }
    known = {name.removeprefix("action.") for name in catalogue() if name.startswith("action.")}
    assert known == written | put_together


def test_korean_is_korean_and_english_is_not() -> None:
    same = [name for name, texts in catalogue().items() if texts["en"] == texts["ko"]]
    assert set(same) <= {"metric.roc_auc", "metric.f1", "regression.split_by"}
    assert not [name for name, texts in catalogue().items() if re.search("[가-힣]", texts["en"])]


def test_korean_sentences_are_polite() -> None:
    sentences = [texts["ko"] for texts in catalogue().values() if texts["ko"].endswith(".")]
    known = [
        sentence for sentence in sentences if not sentence.startswith("{") and "{listed}" not in sentence
    ]
    assert len(known) > 40
    rude = [sentence for sentence in known if not re.search(r"(니다|십시오)(\(.*\))?\.$|: .*\.$", sentence)]
    assert rude == []


def test_durations_round_up_without_a_sixtieth_second() -> None:
    words = Sentences("en")
    assert [words.duration(s) for s in (0.04, 9.96, 59.96, 119.7, 3599.6)] == [
        "0.0 s", "10 s", "1 min 0 s", "2 min 0 s", "1 h 0 min",
    ]  # fmt: skip


def test_one_is_singular() -> None:
    assert Sentences("en")("unit.files", n=1) == "1 file"
    assert Sentences("en", "rows")("unit.files", n=1) == "1 row"
    assert Sentences("en")("unit.files", n=2000) == "2,000 files"
    assert Sentences("ko")("unit.files", n=1) == "파일 1개"


def test_a_name_without_a_word_is_shown_as_it_is() -> None:
    assert Sentences("ko").known("kind", "some-new_kind") == "some new kind"
