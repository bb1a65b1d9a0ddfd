"""What the calls give back: a model that predicts, and a run that also holds how it was trained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from mindle.api.certify import certify
from mindle.api.evaluate import READ_AS, evaluate
from mindle.api.predict import predict
from mindle.api.report import report, report_content
from mindle.artifacts import bundle as bundles
from mindle.artifacts.run import RunFolder
from mindle.data.reading import ReadingKeywords, takes_reading_options
from mindle.records import SILENT, Listener

if TYPE_CHECKING:
    import pandas as pd

    from mindle.api.explain import Explanations
    from mindle.certification.document import Certificate

Source = str | os.PathLike[str]


class Model:
    """A run or a bundle that predicts, opened by `load`; it can stand wherever its folder can.

    Attributes:
        path: Its folder.
    """

    def __init__(self, path: Source) -> None:
        self.path = Path(path)

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @property
    def bundle(self) -> bundles.Bundle:
        """The content of bundle.json: classes, input specification, temperature, licences."""
        return bundles.read_bundle(self.path)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.bundle.classes

    def predict(
        self, images: Any, *, separator: str | None = None, header: int | None = None, engine: str = "onnx"
    ) -> pd.DataFrame:
        """Predict images, or rows of a table; see `mindle.predict`."""
        return predict(self.path, images, separator=separator, header=header, engine=engine)

    @takes_reading_options(*READ_AS)
    def evaluate(
        self, data: Any, *, listener: Listener = SILENT, **reading: Unpack[ReadingKeywords]
    ) -> dict[str, Any]:
        """Evaluate on new labelled data; see `mindle.evaluate`."""
        return evaluate(self.path, data, listener=listener, **reading)

    def certify(self, **options: Any) -> Certificate:
        """Measure what it withstands, and hold it to limits; see `mindle.certify`."""
        return certify(self.path, **options)

    def explain(
        self,
        images: Any,
        *,
        out: Source | None = None,
        method: Sequence[str] = (),
        features: bool = False,
        lang: str = "en",
    ) -> Explanations:
        """What answers rest on; see `mindle.explain`. A notebook shows the page."""
        from mindle.api.explain import explain

        return explain(self.path, images, out=out, method=method, features=features, lang=lang)


class Run(Model):
    """A finished run; a notebook shows its scores and its most confident mistakes under the cell."""

    @property
    def folder(self) -> RunFolder:
        """Its files."""
        return RunFolder(self.path)

    @property
    def bundle(self) -> bundles.Bundle:
        """The content of bundle.json."""
        return bundles.read_bundle(self.folder.bundle)

    @property
    def metrics(self) -> dict[str, Any]:
        """The scores, as they stand in metrics.json."""
        return self.folder.metrics()

    @property
    def mistakes(self) -> pd.DataFrame:
        """Wrong predictions in the test split, the most confident first: path, label, predicted, confidence.

        For a regression, every estimate, the worst first: path, target, predicted, error.
        """
        import pandas as pd

        from mindle.evaluation import tasks

        test = self.folder.answers()["test"]
        task = tasks.of(test.task)
        return pd.DataFrame(task.errors(task.pooled(test)))

    def report(self, *, lang: str = "en", out: Source | None = None) -> Path:
        """Write the report again; see `mindle.report`."""
        return report(self.path, lang=lang, out=out)

    def _repr_html_(self) -> str:
        from mindle.evaluation.report import summary_html

        return summary_html(report_content(self.folder))


def load(path: Source) -> Model:
    """Open a run or a bundle.

    Raises:
        ArtifactError: If the folder is neither, is damaged, or the run has not finished.
    """
    from mindle.serving.opened import locate

    folder, is_run = locate(path)
    return Run(folder) if is_run else Model(folder)
