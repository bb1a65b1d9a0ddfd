"""`mindle recipes`."""

from __future__ import annotations


def recipes(name: str | None = None, *, json: str | None = None) -> None:
    """List the named recipes, or print one.

    What is printed is the start of a recipe file of your own.
    """
    import mindle
    from mindle.cli.output import show, write_json_document

    if name is not None:
        recipe = mindle.show_recipe(name)
        write_json_document({"schema": 1, "recipe": recipe["settings"]}, json)
        if json != "-":
            print(recipe["text"], end="")
        return
    found = mindle.list_recipes()
    rows = [(row["name"], row["strategy"], row["summary"]) for row in found]
    show({"schema": 1, "recipes": found}, json, ("recipe", "strategy", "what it is for"), rows)
