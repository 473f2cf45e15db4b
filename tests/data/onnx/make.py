# SPDX-License-Identifier: Apache-2.0
"""Tiny graphs whose answers are plain arithmetic, one for each kind of signature: /usr/bin/python3 make.py"""
import os

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

HERE = os.path.dirname(os.path.abspath(__file__))
F, I, S, H = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING, TensorProto.FLOAT16


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def model(name, nodes, inputs, outputs, inits=(), metadata=None):
    graph = helper.make_graph(nodes, name, inputs, outputs, [numpy_helper.from_array(a, n) for n, a in inits])
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 2)],
                          producer_name="make.py", ir_version=7)
    helper.set_model_props(m, metadata or {})
    save(m, os.path.join(HERE, name + ".onnx"))
    return m


node = helper.make_node
f32 = lambda *x: np.array(x, np.float32)

# two named columns, a number and a text: y = 10 amount + index of the country in [ES, FR, DE]
model("columns",
      [node("LabelEncoder", ["country"], ["code"], domain="ai.onnx.ml", keys_strings=["ES", "FR", "DE"],
            values_floats=[0.0, 1.0, 2.0], default_float=-1.0),
       node("Mul", ["amount", "ten"], ["tens"]), node("Add", ["tens", "code"], ["y"])],
      [value("amount", F, ["n", 1]), value("country", S, ["n", 1])], [value("y", F, ["n", 1])], [("ten", f32(10))])

# token ids of any length: the mean of [1, 2, 4, 8][id]; an id past 3 fails inside the engine
model("tokens", [node("Gather", ["table", "ids"], ["e"]), node("ReduceMean", ["e"], ["y"], axes=[1], keepdims=1)],
      [value("ids", I, ["batch", "seq"])], [value("y", F, ["batch", 1])], [("table", f32(1, 2, 4, 8))])

# no batch but one row; two rows exactly; no batch dimension at all
for name, shape, out in ("one", [1, 2], [1, 2]), ("pair", [2, 2], [2, 2]), ("bare", [2], [2]):
    model(name, [node("Add", ["x", "x"], ["y"])], [value("x", F, shape)], [value("y", F, out)])

# how many rows ran together: x + the size of the batch
model("size", [node("Shape", ["x"], ["s"], start=0, end=1), node("Cast", ["s"], ["f"], to=F), node("Add", ["x", "f"], ["y"])],
      [value("x", F, ["n"])], [value("y", F, ["n"])])

# half precision in and out; names of the classes in the metadata; a softmax behind a reshape; two outputs
model("half", [node("Softmax", ["x"], ["p"]), node("Reshape", ["p", "shape"], ["q"]), node("ArgMax", ["x"], ["i"], axis=1)],
      [value("x", H, ["n", 2])], [value("q", H, ["n", 2]), value("i", I, ["n", 1])],
      [("shape", np.array([-1, 2], np.int64))], {"labels": '["no","yes"]'})

# texts come out
model("texts", [node("LabelEncoder", ["i"], ["label"], domain="ai.onnx.ml", keys_int64s=[0, 1],
                     values_strings=["cat", "dog"], default_string="neither")],
      [value("i", I, ["n"])], [value("label", S, ["n"])])

# a constant inside a node whose data would be read from a file: must be refused
m = model("reads_a_file", [node("Constant", [], ["c"], value=numpy_helper.from_array(f32(1, 2), "c")),
                           node("Add", ["x", "c"], ["y"])], [value("x", F, ["n", 2])], [value("y", F, ["n", 2])])
t = m.graph.node[0].attribute[0].t
t.ClearField("raw_data")
t.data_location = TensorProto.EXTERNAL
t.external_data.add(key="location", value="../../../../etc/passwd")
save(m, os.path.join(HERE, "reads_a_file.onnx"))
