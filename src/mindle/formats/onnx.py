"""A model as one ONNX graph, from raw inputs to probabilities or numbers, with answers it must give."""

from __future__ import annotations

from pathlib import Path

from mindle.artifacts.bundle import MODEL, REFERENCE
from mindle.artifacts.files import write_arrays
from mindle.formats.exportable import Exportable
from mindle.formats.parity import Parity


def write(exportable: Exportable, folder: Path) -> None:
    """Write model.onnx."""
    exportable.write_graph(folder / MODEL)


def prove(exportable: Exportable, folder: Path) -> Parity:
    """Compare the graph's answers with the model's, and write reference.npz.

    A graph that answers differently gets no reference.npz, without which no bundle opens.

    Raises:
        ArtifactError: If the graph answers differently.
    """
    from mindle.models.graph import session

    answers = session(folder / MODEL)(exportable.inputs)
    parity = exportable.compare(answers)
    arrays = exportable.reference(answers)
    # Texts are objects to ONNX Runtime, and no objects are stored.
    write_arrays(
        folder / REFERENCE,
        {name: rows.astype(str) if rows.dtype == object else rows for name, rows in arrays.items()},
    )
    return parity
