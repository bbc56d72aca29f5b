import pytest
import torch

from maskbus.models.runtime.cuda_graphs import CudaGraphs, _Recording


class Replayed:
    """Stands for a recorded graph: computes into the same memory again."""

    def __init__(self, function, inputs):
        self.inputs = tuple(tensor.clone() for tensor in inputs)
        self.outputs = (function(*self.inputs),)
        self.function = function

    def replay(self):
        self.outputs[0].copy_(self.function(*self.inputs))


def test_recordings_are_repeated_on_new_inputs_and_answers_outlive_them():
    recorded = []

    def record(function, inputs):
        graph = Replayed(function, inputs)
        recorded.append(graph)
        return _Recording(graph, graph.inputs, graph.outputs)

    graphs = CudaGraphs(lambda a, b: a + b, record, most=2)
    first = graphs(torch.ones(2), torch.ones(2))
    second = graphs(torch.ones(2), torch.zeros(2))
    assert (first[0].tolist(), second[0].tolist()) == ([2, 2], [1, 1])
    graphs(torch.ones(3), torch.ones(3))
    assert len(recorded) == 2
    assert graphs(torch.ones(4), torch.ones(4)).tolist() == [2] * 4, "beyond, the function itself is called"
    assert len(recorded) == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_graph_on_a_cuda_device_answers_as_the_function():
    graphs = CudaGraphs(lambda a: (a * 2).relu())
    for seed in range(3):
        given = torch.randn(64, device="cuda", generator=torch.Generator("cuda").manual_seed(seed))
        assert torch.equal(graphs(given)[0], (given * 2).relu())
