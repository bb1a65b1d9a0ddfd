"""Several bundles' graphs as one: the same pixels in, each member's answers, one mix of them out.

pixels ─┬─ member 0 ─┐
        ├─ member 1 ─┼─ weighted mean, or log → matrix → softmax ─ probabilities
        └─ member 2 ─┘
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mindle.artifacts.answers import FEATURES
from mindle.artifacts.bundle import Bundle
from mindle.artifacts.files import replacing
from mindle.errors import ArtifactError
from mindle.formats.exportable import Arrays, Exportable
from mindle.formats.images import reference_pixels
from mindle.models.graph import session
from mindle.models.tables.tracing import Graph
from mindle.records import InputSpec
from mindle.training.images.ensemble import Mix

INPUT, OUTPUT = "pixels", "probabilities"


def common_spec(bundles: Sequence[Bundle], names: Sequence[str]) -> InputSpec:
    """The pixels that all members take; a bundle decodes an image once, for all of them.

    Mean and deviation are applied inside each member's graph, and may differ.

    Raises:
        ArtifactError: If members take different pixels, or rows of a table.
    """
    specs = []
    for bundle, name in zip(bundles, names, strict=True):
        if not isinstance(bundle.spec, InputSpec):
            raise ArtifactError(
                f"Members of an ensemble must take images. Received {name}, which takes rows of a table: "
                "`mindle train` stacks models of tables by itself."
            )
        specs.append(bundle.spec)
    for spec, name in zip(specs, names, strict=True):
        if _pixels(spec) != _pixels(specs[0]):
            raise ArtifactError(
                "Members of an ensemble must take the same pixels: a bundle decodes each image once. "
                f"{names[0]} takes {_pixels(specs[0])} and {name} takes {_pixels(spec)}. Train one of them "
                "at the other's size: --set input.height=… --set input.width=…."
            )
    return specs[0]


def _pixels(spec: InputSpec) -> str:
    return f"{spec.height}x{spec.width} {spec.colour} {spec.fit} {spec.interpolation}"


def exportable(bundles: Sequence[Bundle], mix: Mix, spec: InputSpec) -> Exportable:
    """An ensemble as a format writes it: its answers are the members' mixed.

    Weights that several members share, such as those of one frozen backbone, are kept once; ONNX Runtime
    then computes once what they compute alike.

    Args:
        bundles: The members.
        mix: Makes one answer of theirs.
        spec: The pixels that all of them take.
    """
    example, seen = {INPUT: reference_pixels(spec)}, heaviest(bundles, mix)

    def answers(inputs: Arrays) -> Arrays:
        found = [session(bundle.model)({INPUT: inputs[INPUT]}) for bundle in bundles]
        apart = np.stack([np.asarray(each[OUTPUT], np.float64) for each in found])
        features = {} if seen is None else {FEATURES: found[seen][FEATURES]}
        return {OUTPUT: mix(apart), **features}

    return Exportable(
        model=mix,
        example=example,
        sample={INPUT: example[INPUT][:0]},
        answers=answers,
        write_graph=partial(_write, bundles, mix, seen),
        name="The ensemble",
    )


def heaviest(bundles: Sequence[Bundle], mix: Mix) -> int | None:
    """Which member gives the features: of those that have some, the one with the largest weight."""
    known = [at for at, bundle in enumerate(bundles) if FEATURES in bundle.reference()]
    weights = mix.weights if len(mix.weights) else np.ones(len(bundles))
    return max(known, key=lambda at: float(weights[at]), default=None)


def _write(bundles: Sequence[Bundle], mix: Mix, seen: int | None, path: Path) -> None:
    import onnx

    graph = _joined([onnx.load(str(bundle.model)) for bundle in bundles], mix, seen)
    with replacing(path) as draft:
        onnx.save(graph, str(draft))


def _joined(members: Sequence[Any], mix: Mix, seen: int | None) -> Any:
    """One ONNX model of the members' models, with the features of one of them."""
    import onnx
    from onnx import helper

    whole, outputs, first = Graph(), [], members[0]
    for number, member in enumerate(members):
        if list(member.opset_import) != list(first.opset_import):
            raise ArtifactError(
                "Members of an ensemble must be written in one version of ONNX's operators. Received "
                f"{member.opset_import} beside {first.opset_import}. Train the older run again."
            )
        names = [output.name for output in member.graph.output]
        tensors = whole.inlined(member, f"member{number}/", {INPUT: INPUT})
        found = dict(zip(names, tensors, strict=True))
        outputs.append(found[OUTPUT].astype(np.float64))
        if number == seen:
            whole.nodes.append(helper.make_node("Identity", [found[FEATURES].name], [FEATURES]))
            whole.outputs.append(member.graph.output[names.index(FEATURES)])
    mixed: Any = mix(outputs)
    whole.nodes.append(helper.make_node("Identity", [mixed.astype(np.float32).name], [OUTPUT]))
    whole.inputs.append(first.graph.input[0])
    whole.outputs.insert(0, next(each for each in first.graph.output if each.name == OUTPUT))
    model = whole.model(first.opset_import, max(member.ir_version for member in members))
    onnx.checker.check_model(model)
    return model
