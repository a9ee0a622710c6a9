"""ONNX graphs, node by node: for runtimes that know nothing of this project. Needs the extra `onnx`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
_IR_VERSION = 9
"""Of opset 18's time, so that older runtimes load the files, too."""

_TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}

Shape = tuple[int | str, ...]
"""Sizes; a name stands for one that the caller chooses."""


class OnnxGraph:
    """Collects inputs, constants and nodes; every method returns the name of its result."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: str, shape: Shape) -> str:
        """`dtype`: float32, int64 or bool."""
        self._inputs.append(helper.make_tensor_value_info(name, _TYPES[dtype], shape))
        return name

    def constant(self, values: npt.ArrayLike, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=dtype), name))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node with one output."""
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def dense(self, values: str, weight: npt.ArrayLike, bias: npt.ArrayLike | None = None) -> str:
        """values @ weight + bias, `weight` as [inputs, outputs]."""
        product = self.add("MatMul", values, self.constant(weight))
        return product if bias is None else self.add("Add", product, self.constant(bias))

    def model(self, name: str, outputs: Mapping[str, Shape], about: Mapping[str, Any]) -> onnx.ModelProto:
        """The checked model.

        Args:
            outputs: shapes by name, float32.
            about: goes into the metadata as JSON under `ricity`.
        """
        results = [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in outputs.items()]
        graph = helper.make_graph(self._nodes, name, self._inputs, results, initializer=self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="ricity")
        model.ir_version = _IR_VERSION
        helper.set_model_props(model, {"ricity": json.dumps(about, sort_keys=True)})
        onnx.checker.check_model(model, full_check=True)
        return model
