"""A task from outside of the package is registered here, in one call for all rooms.

Each room keeps a registry by family of tasks and looks a task up in it with `of(task)`. What a new task does
not bring along, it takes from the family that it is most like.
"""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from mindle.records import FAMILIES

if TYPE_CHECKING:
    from mindle.artifacts.answers import Layout
    from mindle.data.common.tasks import DataTask
    from mindle.data.tables.tasks import TableTarget
    from mindle.evaluation.doctor.tasks import Examination
    from mindle.evaluation.doctor.truths import Classes, Numbers
    from mindle.evaluation.family import Evaluation
    from mindle.evaluation.report.sections import Page
    from mindle.serving.source import Target
    from mindle.training.images.tasks import ImageTask
    from mindle.training.tables.tasks import TableTask


class TaskParts(TypedDict, total=False):
    """What a task does, room by room; each is described where its registry stands.

    Attributes:
        data: Strata of a split, checks of the truth, counts and sentences.
        table: Checks and summaries of tables.
        images: How images are learned from.
        rows: How the rows of a table are learned from.
        evaluation: Scores, tests, baselines, and the answers that the outputs of a graph give.
        page: Sections, figures and headline of the report.
        layout: Columns of a file of answers, labels of the manifest, and what the graph of a bundle answers.
        target: How the truth is found in labelled data.
        examination: How labels are questioned, and what a mistake costs a learning curve.
        truths: How it is found out whether the truth can be predicted from a cue alone.
    """

    data: DataTask
    table: TableTarget
    images: ImageTask
    rows: TableTask
    evaluation: Evaluation[Any]
    page: type[Page[Any]]
    layout: Layout[Any]
    target: type[Target]
    examination: Examination
    truths: type[Classes] | type[Numbers]


# Where each part is registered: a module, and the dictionary in it.
REGISTRIES = {
    "data": ("data.common.tasks", "TASKS"),
    "table": ("data.tables.tasks", "TASKS"),
    "images": ("training.images.tasks", "TASKS"),
    "rows": ("training.tables.tasks", "TASKS"),
    "evaluation": ("evaluation.tasks", "TASKS"),
    "page": ("evaluation.report.tasks", "TASKS"),
    "layout": ("artifacts.answers", "LAYOUTS"),
    "target": ("serving.source", "TARGETS"),
    "examination": ("evaluation.doctor.tasks", "TASKS"),
    "truths": ("evaluation.doctor.truths", "TRUTHS"),
}


def register(name: str, *, like: str, **parts: Unpack[TaskParts]) -> ExitStack:
    """Register a task under its name, which is then accepted wherever `task` is.

    Args:
        name: Of the task, and of its family.
        like: A family that is registered, "classification" or "regression", whose parts are taken where
            `parts` has none.
        parts: What the task does in a room otherwise than that family; see `TaskParts`.

    Returns:
        A context manager that takes the task out again; without `with`, the task stays until its `close` is
        called.

    Raises:
        ValueError: If the name is taken, `like` is no family, or a part has another name.

    Example:
        >>> from mindle.evaluation.tasks import of
        >>> with register("count", like="regression"):
        ...     of("count").main
        'mae'
    """
    if name in {*FAMILIES, *FAMILIES.values()}:
        raise ValueError(f"`name` must be the name of no other task. Received name={name!r}.")
    if like not in FAMILIES.values():
        families = ", ".join(sorted({*FAMILIES.values()}))
        raise ValueError(f"`like` must be one of {families}. Received like={like!r}.")
    unknown = set(parts) - set(REGISTRIES)
    if unknown:
        raise ValueError(
            f"The parts of a task must be among {', '.join(REGISTRIES)}. "
            f"Received {', '.join(sorted(unknown))}."
        )
    given: dict[str, Any] = dict(parts)
    undo = ExitStack()
    for part, (module, registry) in REGISTRIES.items():
        entries = getattr(import_module(f"mindle.{module}"), registry)
        entries[name] = given.get(part, entries[like])
        undo.callback(entries.pop, name)
    FAMILIES[name] = name
    undo.callback(FAMILIES.pop, name)
    return undo
