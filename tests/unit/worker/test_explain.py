import numpy as np
import pytest

from maskbus.interfaces import BadPrompt, DeadlinePassed, JobAborted
from maskbus.worker.explain import explain
from maskbus_wire.errors import WireError

CV2_ERROR = type("error", (Exception,), {})
CUDA_ERROR = type("OutOfMemoryError", (RuntimeError,), {})


def too_large_an_array():
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 60, np.uint8)
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        too_large_an_array(),
        CUDA_ERROR("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4294967296 bytes."),
        RuntimeError("std::bad_alloc"),
        CV2_ERROR("OpenCV(4.13.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 42 bytes"),
    ],
)
def test_every_way_to_say_that_memory_is_used_up(error):
    assert explain(error)[0] == "out_of_memory"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (WireError("invalid_image", "Broken.", "image"), ("invalid_image", "Broken.", "image")),
        (BadPrompt("No."), ("invalid_value", "No.", "prompt")),
        (JobAborted("Gone."), ("cancelled", "Gone.", "")),
        (DeadlinePassed("Late."), ("deadline_exceeded", "Late.", "")),
        (
            RuntimeError("shapes differ"),
            ("internal", "The model failed on this request; the node's log has more.", ""),
        ),
    ],
)
def test_the_rest(error, told):
    assert explain(error) == told
