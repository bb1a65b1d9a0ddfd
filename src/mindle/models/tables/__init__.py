"""Models of tables: frozen records that predict with NumPy and can write themselves as ONNX nodes."""

from __future__ import annotations

from mindle.models.tables.encoder import TableEncoder as TableEncoder
from mindle.models.tables.encoder import fit_encoder as fit_encoder
from mindle.models.tables.model import Member as Member
from mindle.models.tables.model import TableModel as TableModel
from mindle.models.tables.scorers import DenseNets as DenseNets
from mindle.models.tables.scorers import Exponential as Exponential
from mindle.models.tables.scorers import KernelMachine as KernelMachine
from mindle.models.tables.scorers import Linear as Linear
from mindle.models.tables.trees import Trees as Trees

__all__ = [
    "DenseNets",
    "Exponential",
    "KernelMachine",
    "Linear",
    "Member",
    "TableEncoder",
    "TableModel",
    "Trees",
    "fit_encoder",
]
