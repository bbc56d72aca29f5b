"""Routes: which models a request may be answered by, and which of them are left out because they keep failing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakSet

from maskbus.config import Config
from maskbus.scheduler import GOES_ON, Breaker, Job
from maskbus_wire.errors import WireError
from maskbus_wire.replies import RouteInfo
from maskbus_wire.requests import Work

log = logging.getLogger(__name__)

T = TypeVar("T")
_COUNTS = frozenset({"worker_died", "out_of_memory", "internal", "model_unavailable"})
"""Errors that say that something is wrong with a model. That it is slow is another thing, see `Routes.failed`."""


@dataclass(frozen=True)
class Plan:
    """The models of one request, and when the next one is tried."""

    models: tuple[str, ...]
    min_predicted_iou: float
    share: float | None


class Routes:
    """Know the routes, and how each model has fared of late."""

    def __init__(self, config: Config, models: Mapping[str, object]) -> None:
        """Begin with all models in.

        Args:
            config: Has the routes.
            models: Those that the node offers: a model goes before a route of the same name.
        """
        self._config = config
        routes = config.routes
        self._auto = routes["auto"]
        self._routes = {name: route for name, route in routes.items() if name not in models}
        for name, route in config.route.items():
            if name in models:
                log.warning("The route %s cannot be asked for: a model has this name.", name)
            for model in route.models:
                if model not in models:
                    log.warning("The route %s names the model %s, which is not offered here.", name, model)
        self._breakers: dict[str, Breaker] = {}
        self._counted: WeakSet[Job] = WeakSet()
        """Jobs that have failed already, whatever comes of them still."""

    def plan(self, model: str, request: Work | None = None) -> Plan | None:
        """Return what is to be tried, or None where one model is meant.

        Args:
            model: As the request names it.
            request: It, where it may bring a route of its own.

        Raises:
            WireError: where the request contradicts itself.
        """
        own = request.route if request is not None else None
        route = self._routes.get(model)
        if own is None:
            if route is None:
                return None
            return Plan(tuple(route.models), route.min_predicted_iou, route.share)
        if own.models and model:
            raise WireError("invalid_value", "A request with models of its own names none in model.", "model")
        if model and route is None:
            raise WireError(
                "invalid_value", f"{model[:64]!r} is no route; there is {', '.join(self._routes)}.", "model"
            )
        route = route or self._auto
        return Plan(
            tuple(own.models or route.models),
            route.min_predicted_iou if own.min_predicted_iou is None else own.min_predicted_iou,
            route.share if own.share is None else own.share,
        )

    def first(self, plan: Plan, ask: Callable[[str], T], now: float) -> T:
        """Return what the first model says that can be asked.

        Args:
            plan: The models.
            ask: Asks one of them; raises WireError where it cannot be asked.
            now: Monotonic seconds.

        Raises:
            WireError: `model_unavailable` where none can be asked, or what is wrong with the request itself.
        """
        reasons = []
        for model in plan.models:
            reason = self.left_out(model, now)
            if not reason:
                try:
                    return ask(model)
                except WireError as error:
                    if error.code not in GOES_ON:
                        raise
                    reason = error.message
            reasons.append(f"{model}: {reason.rstrip('.')}")
        raise WireError("model_unavailable", f"None of the models can be asked. {'; '.join(reasons)}", "model")

    def describe(self) -> list[RouteInfo]:
        """Return all routes for the operation `describe`."""
        return [
            RouteInfo(
                name=name, models=list(route.models), min_predicted_iou=route.min_predicted_iou, share=route.share
            )
            for name, route in self._routes.items()
        ]

    def left_out(self, model: str, now: float) -> str:
        """Return why a model is left out now, as a sentence; empty where it is not."""
        breaker = self._breakers.get(model)
        if breaker is None or breaker.may_try(now):
            return ""
        seconds = breaker.left_out(now)
        return f"It has failed too often; it is left out for {seconds:.0f} s more." if seconds else "It is on trial."

    def seconds_left_out(self, model: str, now: float) -> float:
        """Return for how many seconds a model is still left out."""
        breaker = self._breakers.get(model)
        return 0.0 if breaker is None else breaker.left_out(now)

    def begin(self, job: Job) -> None:
        """Note that a route is asking a job's model. It is to be told what becomes of the job."""
        if job.model in self._breakers:
            self._breakers[job.model].begin(job.number)

    def succeeded(self, job: Job) -> None:
        """Note that a job's model has answered; if it was too late, that has been counted already."""
        if job.model in self._breakers and job not in self._counted:
            self._breakers[job.model].succeeded()

    def failed(self, job: Job, code: str, now: float) -> None:
        """Note that a job's model has not answered. Of one job only the first failure counts.

        Args:
            job: It.
            code: The error.
            now: Monotonic seconds.
        """
        # Whoever is in a hurry says nothing about the model.
        if code in _COUNTS or (code == "deadline_exceeded" and not job.own_deadline):
            if job in self._counted:
                return
            self._counted.add(job)
            breaker = self._breakers.get(job.model)
            if breaker is None:
                breaker = Breaker(self._config.breaker_failures, self._config.breaker_pause_s)
                self._breakers[job.model] = breaker
            breaker.failed(now)
        else:
            self.came_to_nothing(job)

    def came_to_nothing(self, job: Job) -> None:
        """Note that nothing was found out about a job's model."""
        if job.model in self._breakers:
            self._breakers[job.model].came_to_nothing(job.number)
