"""`mindle runs`."""

from __future__ import annotations

from typing import Any


def runs(folder: str, *, json: str | None = None) -> None:
    """List the runs below a folder with their scores."""
    import mindle
    from mindle.cli.output import show
    from mindle.console import Console
    from mindle.messages import known_message

    with Console() as console:
        found = mindle.list_runs(folder, listener=console)
    rows = [
        (
            row["name"],
            known_message(f"commands.runs.state.{row['state']}", row["state"]),
            row["strategy"],
            row["data"],
            _score(row),
            row["created"],
        )
        for row in found
    ]
    columns = ("run", "state", "strategy", "data", "test score", "begun")
    show({"schema": 1, "runs": found}, json, columns, rows)


def _score(row: dict[str, Any]) -> str:
    """Accuracy, or the mean absolute error where the answers are numbers, with its interval."""
    name, form = ("MAE ", ".4g") if row["accuracy"] is None else ("", ".1%")
    score = row["mae"] if row["accuracy"] is None else row["accuracy"]
    if score is None:
        return ""
    value = f"{name}{score['value']:{form}}"
    return value if score["low"] is None else f"{value} [{score['low']:{form}}, {score['high']:{form}}]"
