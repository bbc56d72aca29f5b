"""Who is next: queues, lanes and deadlines, without sockets or processes."""

from maskbus.scheduler.ahead import leave_the_rest, take_along
from maskbus.scheduler.deadlines import Deadlines
from maskbus.scheduler.job import LANES, Job
from maskbus.scheduler.queue import ModelQueue, QueueFull

__all__ = ["LANES", "Deadlines", "Job", "ModelQueue", "QueueFull", "leave_the_rest", "take_along"]
