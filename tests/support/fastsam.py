"""A network with FastSAM's outputs whose answers are known: everything of one saturated colour is an object.

Each anchor looks at the colour at its place. Its mask is made of the pixels of about that colour, wherever they are;
its box is theirs; its confidence is high for red, lower for green, lower still for blue, and none for greys, or where
it looks at an edge.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 512
STEEPNESS = 40.0
TOLERANCE = 0.25
WEIGHTS = (1.0, 0.9, 0.8)
"""How much of the confidence red, green and blue are worth."""
COEFFICIENTS = 32
_FAR = 10000.0


def confidence(rgb):
    """Return the confidence of an object of this colour, 0…255."""
    colour = np.array(rgb, float) / 255
    return float((colour * WEIGHTS).max() - colour.min())


def write(path, side=SIDE, *, anchors=32, shapes=None):
    """Write the network: `side` of its square, None for any size; an anchor every so many pixels."""
    graph = _Graph()
    node, constant = graph.node, graph.constant
    pixels = node("AveragePool", "images", kernel_shape=[4, 4], strides=[4, 4])
    square = node("ReduceSum", node("Mul", pixels, pixels), constant([1], np.int64), keepdims=1)
    ones = node("Add", node("Mul", square, constant(0.0)), constant(1.0))
    nothing = node("Mul", node("Concat", *[ones] * (COEFFICIENTS - 5), axis=1), constant(0.0))
    node("Concat", pixels, square, ones, nothing, axis=1, to="protos")

    def seen(values):
        looked_at = node("AveragePool", values, kernel_shape=[4, 4], strides=[anchors, anchors])
        return node("Reshape", looked_at, constant([1, 3, -1], np.int64))

    anchor = seen("images")
    spread = node("Sub", seen(node("Mul", "images", "images")), node("Mul", anchor, anchor))
    own = node("ReduceSum", node("Mul", anchor, anchor), constant([1], np.int64), keepdims=1)
    one = node("Add", node("Mul", own, constant(0.0)), constant(1.0))
    none = node("Mul", node("Concat", *[one] * (COEFFICIENTS - 5), axis=1), constant(0.0))
    coefficients = node(
        "Concat",
        node("Mul", anchor, constant(2 * STEEPNESS)),
        node("Mul", one, constant(-STEEPNESS)),
        node("Mul", node("Sub", constant(TOLERANCE), own), constant(STEEPNESS)),
        none,
        axis=1,
    )
    flat = node("Reshape", "protos", constant([1, COEFFICIENTS, -1], np.int64))
    logits = node("MatMul", node("Transpose", coefficients, perm=[0, 2, 1]), flat)  # (1, N, P)
    inside = node("Clip", node("Mul", logits, constant(1e6)), constant(0.0), constant(1.0))
    edges = []
    for axis in (3, 2):
        last = node("Mul", node("CumSum", ones, constant(axis, np.int64)), constant(4.0))
        last = node("Reshape", last, constant([1, 1, -1], np.int64))
        first = node("Sub", constant(_FAR + 4), last)
        high = node("ReduceMax", node("Mul", inside, last), axes=[2], keepdims=0)
        low = node("Sub", constant(_FAR), node("ReduceMax", node("Mul", inside, first), axes=[2], keepdims=0))
        edges.append((low, high))
    row = constant([1, 1, -1], np.int64)
    middles = [node("Reshape", node("Mul", node("Add", *edge), constant(0.5)), row) for edge in edges]
    sizes = [node("Reshape", node("Sub", high, low), row) for low, high in edges]
    weights = constant(np.array(WEIGHTS, np.float32).reshape(1, 3, 1))
    most = node("ReduceMax", node("Mul", anchor, weights), axes=[1], keepdims=1)
    least = node("ReduceMax", node("Mul", anchor, constant(-1.0)), axes=[1], keepdims=1)
    uneven = node("Mul", node("ReduceSum", spread, constant([1], np.int64), keepdims=1), constant(-20.0))
    sure = node("Add", node("Add", most, least), uneven)
    node("Concat", *middles, *sizes, sure, coefficients, axis=1, to="output0")

    height = side or "height"
    width = side or "width"
    count = (side // anchors) ** 2 if side else "anchors"
    quarter = side // 4 if side else None
    shapes = shapes or {}
    graph.write(
        path,
        {"images": (1, 3, height, width)},
        {
            "output0": shapes.get("output0", (1, 5 + COEFFICIENTS, count)),
            "protos": shapes.get("protos", (1, COEFFICIENTS, quarter or "h", quarter or "w")),
        },
    )
    return path


def constants(path, outputs, inputs=None):
    """Write a network that answers arrays, whatever it sees."""
    graph = _Graph()
    seen = graph.node("Mul", graph.node("ReduceMean", "images", keepdims=0), graph.constant(0.0))
    for name, values in outputs.items():
        graph.node("Add", graph.constant(np.asarray(values, np.float32)), seen, to=name)
    graph.write(
        path, inputs or {"images": (1, 3, 64, 64)}, {name: np.shape(values) for name, values in outputs.items()}
    )
    return path


class _Graph:
    def __init__(self):
        self.nodes = []
        self.initializers = []

    def node(self, kind, *inputs, to=None, **attributes):
        output = to or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, values, dtype=np.float32):
        name = f"constant{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def write(self, path, inputs, outputs):
        ports = [
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in some.items()]
            for some in (inputs, outputs)
        ]
        graph = helper.make_graph(self.nodes, "known", *ports, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)
