"""From a torch module to what computes it here."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from maskbus.directories import UnsafeDirectory
from maskbus.interfaces import ModelUnavailable
from maskbus.models.runtime import cpu
from maskbus.models.runtime.cache import ExportCache
from maskbus.models.runtime.candidate import REFERENCE, Candidate, candidates, missing_packages
from maskbus.models.runtime.choose import Choice, choose, sentence
from maskbus.models.runtime.network import Network
from maskbus.models.runtime.onnx_stage import OnnxStage
from maskbus.models.runtime.openvino_stage import OpenVinoStage
from maskbus.models.runtime.settings import RuntimeSettings
from maskbus.models.runtime.stage import Agreement, Stage
from maskbus.models.runtime.torch_stage import TorchStage

log = logging.getLogger(__name__)

_MOST_DEATHS = 2
"""A candidate during whose trial the process has died so many times is not tried again: memory, mostly."""


def prepare(
    module: nn.Module,
    example_inputs: Sequence[Tensor],
    *,
    name: str,
    digest: str,
    settings: RuntimeSettings,
    input_names: Sequence[str],
    output_names: Sequence[str],
    dynamic_axes: Mapping[str, Mapping[int, str]] | None = None,
    agrees: Agreement | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Stage:
    """Return the network in the runtime and precision that the settings ask for.

    The first time, that takes an export (seconds) and a few calls to measure; what is found out is kept on disk.

    Args:
        module: On the CPU, in float32, in eval mode; takes tensors, answers a tensor or a tuple of them. It is handed
            over: its memory layout may change, and a stage in torch float32 runs it as it is.
        example_inputs: One tensor for each input, of a usual size and with usual values: it is measured with them.
        name: Of the network, "mobile-sam-encoder" say; names its files.
        digest: SHA-256 of the weights, in hex.
        settings: The switch.
        input_names: One for each input.
        output_names: One for each output.
        dynamic_axes: By input's name, which axes vary in size, and a name for each such size.
        agrees: Compares the masks of a candidate with the float32 reference's on a probe. Without it nothing is
            computed in less than float32 unless the settings name the precision.
        report: Told in a few words what takes time.

    Raises:
        ModelUnavailable: if nothing works, or what the settings name does not.
    """
    if settings.on_cuda and not torch.cuda.is_available():
        raise ModelUnavailable(f'device = "{settings.device}", but torch finds no CUDA device; use "cpu".')
    if settings.threads:
        torch.set_num_threads(settings.threads)
    network = Network(
        module, tuple(example_inputs), name, digest, tuple(input_names), tuple(output_names), dynamic_axes or {}
    )
    found = candidates(settings, can_compare=agrees is not None)
    if _leave_no_choice(found):
        return TorchStage(module, found[0].dtype, settings)
    with _opened(settings, network, report) as cache:
        if cache is None:
            found = [candidate for candidate in found if candidate.runtime == "torch"]
            if not found:
                raise ModelUnavailable(
                    f"{settings.runtime} needs a directory for exports, and {settings.cache_dir} is none; "
                    "set cache_dir to another."
                )
            if _leave_no_choice(found):
                return TorchStage(module, found[0].dtype, settings)
        return _Preparation(network, settings, found, agrees, cache, report).stage()


def _leave_no_choice(found: Sequence[Candidate]) -> bool:
    return len(found) == 1 and found[0].runtime == "torch"


@contextlib.contextmanager
def _opened(settings: RuntimeSettings, network: Network, report: Callable[[str], None]) -> Iterator[ExportCache | None]:
    """Hold the network's cache; None where there can be none."""
    with contextlib.ExitStack() as stack:
        cache = None
        try:
            cache = ExportCache(settings.cache_dir, network)
            stack.enter_context(cache.locked(report))
        except (OSError, UnsafeDirectory) as error:
            log.warning("%s keeps no exports: %s", network.name, sentence(error))
            cache = None
        yield cache


@dataclass(frozen=True)
class _Preparation:
    """One call of `prepare`, with the cache locked."""

    network: Network
    settings: RuntimeSettings
    candidates: list[Candidate]
    agrees: Agreement | None
    cache: ExportCache | None
    report: Callable[[str], None]

    def stage(self) -> Stage:
        """Return what was chosen earlier, else choose."""
        return self._as_chosen_earlier() or self._as_chosen_now()

    def _as_chosen_earlier(self) -> Stage | None:
        if self.cache is None or not (noted := self.cache.noted(self._machine())):
            return None
        try:
            choice = Choice(**noted)
            stage = self._chosen(choice)
        except Exception as error:  # chosen anew, whatever is the matter
            log.warning("%s is no longer as it was measured: %s", self.network.name, sentence(error))
            return None
        log.info("%s: %s; as measured earlier", self.network.name, choice.sentence())
        return stage

    def _as_chosen_now(self) -> Stage:
        is_auto = len(self.candidates) > 1
        choice = choose(
            self.network.name,
            self.candidates,
            self._build,
            self.network.examples,
            self.agrees,
            trusted=self.settings.dtype != "auto",
            attempt=self._attempt if is_auto else lambda _: contextlib.nullcontext(),
            report=self.report,
        )
        if not choice.runtime:
            reasons = " ".join(f"{label}: {reason}" for label, reason in choice.refused.items())
            raise ModelUnavailable(f"{self.network.name} cannot be computed as configured. {reasons}")
        if self.cache is not None:
            with contextlib.suppress(OSError):  # on a full disk it is measured again at the next start
                self.cache.drop_compiled(keep=choice.dtype if choice.runtime == "openvino" else "")
                self.cache.note(self._machine(), choice.as_json())
        log.info("%s: %s%s", self.network.name, choice.sentence(), self._hint())
        return self._chosen(choice)

    def _chosen(self, choice: Choice) -> Stage:
        stage = self._build(choice.candidate)
        stage.seconds = choice.seconds[str(choice.candidate)]
        return stage

    def _build(self, candidate: Candidate) -> Stage:
        if candidate.runtime == "torch":
            return TorchStage(self.network.module, candidate.dtype, self._torch_settings(candidate))
        assert self.cache is not None  # without one, only torch is a candidate
        path = self.cache.exported(self.report)
        if candidate.runtime == "onnxruntime":
            return OnnxStage(path, self.settings.threads)
        stage = OpenVinoStage(path, candidate.dtype, self.settings.threads, self.cache.compiled(candidate.dtype))
        self.cache.seal_compiled(candidate.dtype)
        return stage

    def _torch_settings(self, candidate: Candidate) -> RuntimeSettings:
        """Return the settings; those of a mere reference, which runs a few times, without compiling."""
        return self.settings if candidate in self.candidates else replace(self.settings, compile=False)

    @contextlib.contextmanager
    def _attempt(self, candidate: Candidate) -> Iterator[None]:
        """Note for later processes that a candidate is on trial, in case this one does not live through it."""
        if self.cache is None or candidate == REFERENCE:
            yield
            return
        name = f"died with {candidate}"
        deaths = int(self.cache.noted(name) or 0)
        if deaths >= _MOST_DEATHS:
            raise RuntimeError(f"the process ended {deaths} times while it was tried.")
        self.cache.note(name, deaths + 1)
        try:
            yield
        finally:
            self.cache.note(name, None)

    def _machine(self) -> str:
        """Name what a choice depends on besides the network."""
        device = torch.cuda.get_device_name(self.settings.device) if self.settings.on_cuda else cpu.name()
        how = f"{cpu.cores()} cores, {self.settings.threads} threads{', compiled' if self.settings.compile else ''}"
        return f"on {device}, {how}: {', '.join(map(str, self.candidates))}"

    def _hint(self) -> str:
        is_open = self.settings.runtime == "auto" and not self.settings.on_cuda
        if is_open and (missing_packages("openvino") or missing_packages("onnxruntime")):
            return "; pip install 'maskbus[fast]' offers faster ones"
        return ""
