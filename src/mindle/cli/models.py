"""`mindle models`."""

from __future__ import annotations


def models(*, weights: str | None = None, json: str | None = None) -> None:
    """List what can be trained now, backbones and nets.

    A backbone is listed where its weights are on this machine; a net is trained from scratch.
    """
    from mindle import api
    from mindle.cli.output import print_table, write_json_document

    found = api.list_models(weights=weights)
    write_json_document({"schema": 1, "models": found}, json)
    if json == "-":
        return
    print_table(
        ("model", "kind", "input", "size", "licence", "from"),
        [(row["name"], row["kind"], row["input"], row["size"], row["licence"], row["from"]) for row in found],
    )
    print(
        "\nAny other timm model: --model NAME, with --weights FILE or, where a network is, from the Hugging "
        "Face hub."
    )
