"""Images of jobs that wait, embedded along with that of the job before them."""

from __future__ import annotations

from collections.abc import Sequence

from maskbus.scheduler.job import Job
from maskbus.scheduler.queue import ModelQueue


def take_along(job: Job, queue: ModelQueue, *, worker: int, batch: int, workers: int) -> None:
    """Give a worker the images of those behind `job` as well, and leave these jobs to it.

    Only those of the same lane: nobody in a hurry waits for the images of those who are not. And no more than the
    worker's share: the others shall have work, too. The job holds the images until the worker is done with it, whatever
    becomes of their own jobs.

    Args:
        job: What the worker is about to get.
        queue: What waits.
        worker: Number of the worker.
        batch: How many images it embeds at once.
        workers: How many workers there are for this queue.
    """
    following = [other for other in queue.lane(job.lane) if other.pinned is None]
    share = -(-(1 + len(following)) // workers)
    job.ahead = tuple(following[: min(batch, share) - 1])
    for other in job.ahead:
        assert other.hold_image is not None
        other.pinned = worker
        job.holds.append(other.hold_image())
    if job.ahead:
        job.message["ahead"] = [
            {
                "job": other.number,
                "image": other.message["image"],
                "once": other.is_frame,
                "max_side": other.message.get("max_side", 0),
            }
            for other in job.ahead
        ]


def leave_the_rest(job: Job, embedded: Sequence[int]) -> bool:
    """Let any worker have the jobs whose images were to be embedded along with `job` and have not been.

    Args:
        job: What the worker is done with.
        embedded: Numbers of the jobs whose embeddings the worker has.

    Returns:
        Whether there are any.
    """
    rest = [other for other in job.ahead if other.number not in embedded]
    for other in rest:
        other.pinned = None
    job.ahead = ()
    return bool(rest)
