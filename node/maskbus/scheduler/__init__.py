"""Who is next: queues, lanes and deadlines, without sockets or processes."""

from maskbus.scheduler.ahead import leave_the_rest, take_along
from maskbus.scheduler.breaker import Breaker
from maskbus.scheduler.deadlines import Deadlines
from maskbus.scheduler.job import LANES, Job
from maskbus.scheduler.queue import ModelQueue, QueueFull
from maskbus.scheduler.stream import Frame, OverLimit, Rules, Stream
from maskbus.scheduler.trial import GOES_ON, Trial
from maskbus.scheduler.turns import Turns

__all__ = [
    "GOES_ON",
    "LANES",
    "Breaker",
    "Deadlines",
    "Frame",
    "Job",
    "ModelQueue",
    "OverLimit",
    "QueueFull",
    "Rules",
    "Stream",
    "Trial",
    "Turns",
    "leave_the_rest",
    "take_along",
]
