"""`mindle certify`."""

from __future__ import annotations

from typing import Any


def certify(model: str, *, json: str | None = None, **options: Any) -> None:
    """Measure what a model withstands, and hold it to limits.

    Images are answered under corruptions in five severities, rows with missing, shifted, scaled and unseen
    cells; inputs that show nothing should make the model abstain. Latency, memory and size are measured, and
    a model card is written.

    Exit code 1 where a limit does not hold.
    """
    import mindle
    from mindle.cli.output import write_json_document
    from mindle.console import Console

    with Console() as console:
        result = mindle.certify(model, listener=console, **options)
    write_json_document(result.as_dict(), json)
    if not result.passed:
        raise SystemExit(1)
