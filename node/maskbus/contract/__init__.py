"""What must hold for every handler, as a test class that plugin authors inherit.

    from maskbus.contract import HandlerContract

    class TestMyHandler(HandlerContract):
        handler = MyHandler

pytest collects the inherited tests. Set `options` to what the model's configuration would hold, and
`segments_scene = True` if the model finds a bright disc on a dark ground when it is pointed at one.
"""

from maskbus.contract.handler_contract import HandlerContract
from maskbus.contract.jobs import CancelledJob, FreeJob
from maskbus.contract.scene import disc, scene

__all__ = ["CancelledJob", "FreeJob", "HandlerContract", "disc", "scene"]
