"""Models that stay loaded between jobs of one worker."""

from __future__ import annotations

from bridge.domain.job import Job
from bridge.models.registry import find
from bridge.separation.separator import Separator

__all__ = ["Separators"]


class Separators:
    """Gives the separator a job asks for; keeps the last one, since jobs in a row mostly ask for the same."""

    def __init__(self) -> None:
        self._key: object = None
        self._separator: Separator | None = None

    def __call__(self, job: Job) -> Separator:
        """Return the job's separator, loading it when it is another than last time; raises ModelError, ConfigError."""
        options = job.separation
        computing = (options.device, options.precision, options.threads, options.gpu_memory_gb)
        key = (options.model, job.model_folders, *computing)
        if self._separator is None or key != self._key:
            # torch takes seconds to load: not before a preset, a render and a model are known to be good.
            from bridge.separation.demucs import DemucsSeparator
            from bridge.separation.device import cap_memory, choose_device

            self._separator, self._key = None, None
            cap_memory(choose_device(options.device), options.gpu_memory_gb)
            self._separator = DemucsSeparator(
                find(options.model, job.model_folders),
                device=options.device,
                precision=options.precision,
                threads=options.threads,
                folders=job.model_folders,
            )
            self._key = key
        return self._separator
