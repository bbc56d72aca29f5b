"""Whether a model can answer."""

from __future__ import annotations

from maskbus_wire.replies import Model, Models, Statistics


def reason_against(models: Models, stats: Statistics) -> str:
    """Return why requests would not be answered, one sentence; empty where the default model can answer them.

    Where no model is the default one, any will do. One whose worker is only started when it is needed is ready too.
    """
    wanted = [model for model in models.models if model.default] or models.models
    reasons = [_why_not(model, stats) for model in wanted]
    if not reasons:
        return "The node offers no model."
    return "" if "" in reasons else reasons[0]


def _why_not(model: Model, stats: Statistics) -> str:
    if not model.ready:
        return f"The model {model.name} cannot run: {model.missing.rstrip('.')}."
    workers = [worker for worker in stats.workers if worker.model == model.name]
    states = {worker.state for worker in workers}
    if not states or states & {"ready", "busy", "stopped"}:
        return ""
    if "starting" in states:
        return f"The model {model.name} is being loaded."
    errors = [worker.last_error for worker in workers if worker.last_error]
    return f"The worker of the model {model.name} has failed. {errors[0] if errors else ''}".rstrip()
