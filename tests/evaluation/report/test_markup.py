from __future__ import annotations

from mindle.evaluation.report.markup import Html, join, named, safe, table, tag


def test_text_is_escaped_once_and_markup_is_not() -> None:
    assert tag("p", "<", tag("b", "&")) == "<p>&lt;<b>&amp;</b></p>"
    assert join(["a", None, ["<", Html("<br>")]]) == "a&lt;<br>"


def test_attributes() -> None:
    made = tag("a", class_='x"', aria_label="<y>", hidden=True, title=None, open=False, r=1.5, width=2.0)
    assert made == '<a class="x&quot;" aria-label="&lt;y&gt;" hidden r="1.5" width="2"></a>'


def test_void_elements_have_no_end() -> None:
    assert tag("img", src="x") == '<img src="x">'


def test_what_no_page_may_hold_is_replaced() -> None:
    assert safe("a\x00\x1b\udcff\ufffe b\n\t") == "a\ufffd\ufffd\ufffd\ufffd b\n\t"
    safe("\udcff").encode("utf-8")


def test_names_do_not_turn_their_surroundings() -> None:
    assert named("إقحوان") == "<bdi>إقحوان</bdi>"


def test_tables_have_heads_and_can_be_reached_by_keyboard() -> None:
    made = table(["a", "b"], [["x", "1"]], class_="numbers", caption="t")
    assert '<th scope="col">a</th><th scope="col">b</th>' in made
    assert '<th scope="row">x</th><td>1</td>' in made
    assert 'tabindex="0"' in made
    assert 'aria-label="t"' in made
