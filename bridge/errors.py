"""Every error the product raises, by who must act.

    BridgeError(message, *, hint, path)
     |- SetupError            the user must change something first; exit 2
     |   |- ConfigError           unknown key, bad value, folders that overlap
     |   |- PresetError           file, line and key; "did you mean"
     |   |- ModelError            unknown model, weights missing or wrong
     |   `- PluginError           a plugin of the user is not there, not usable, or blocked
     |- RenderError           this render cannot be done; park it with its reason and go on; exit 1
     |   |- ReadError             not audio, unfinished, truncated, unsupported
     |   |- SeparationError       the network gave no usable result
     |   |- EffectError           names stem, effect and reason
     |   `- DeliveryError         a name or a drop cannot be made
     `- RetryError            the same render may work later; back off
         |- RenderChangedError    the file changed while it was read
         |- NoSpaceError          the disk is full
         |- DestinationError      the outbox is not there or not writable
         |- DeviceError           a processor is gone or out of memory
         `- WorkerError           the worker process died or hung: another attempt, not endless ones

`message` says what happened, `hint` what to do: sentences with a full stop, but where a command ends them nothing
follows it, so that it can be copied. Errors of other libraries are translated at the one module that calls the library,
with `raise ... from`. Nothing below `cli` prints or exits.
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "BridgeError",
    "Cancelled",
    "ConfigError",
    "DeliveryError",
    "DestinationError",
    "DeviceError",
    "EffectError",
    "ModelError",
    "NoSpaceError",
    "PluginError",
    "PresetError",
    "ReadError",
    "RenderChangedError",
    "RenderError",
    "RetryError",
    "SeparationError",
    "SetupError",
    "WorkerError",
    "by_name",
]


class BridgeError(Exception):
    """Raised for everything the user can be told about in one line; never raised itself."""

    def __init__(self, message: str, *, hint: str = "", path: Path | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = path
        self.at: object = None
        """The very value of a text that it is about, where `strict_yaml` has read one."""


class SetupError(BridgeError):
    """Raised when nothing can run until the user changes something."""


class ConfigError(SetupError):
    """Raised when a setting, a flag or a folder is wrong."""


class PresetError(SetupError):
    """Raised when a preset is missing or says something impossible."""


class ModelError(SetupError):
    """Raised when a model is unknown or its weights are missing or wrong."""


class PluginError(SetupError):
    """Raised when a plugin of the user is missing, unusable, or blocked after crashes."""


class RenderError(BridgeError):
    """Raised when this render cannot be done, now or later."""


class ReadError(RenderError):
    """Raised when a file is not audio, unfinished, truncated or not supported."""


class SeparationError(RenderError):
    """Raised when the network gives no usable result."""


class EffectError(RenderError):
    """Raised when an effect fails or returns something that is not sound."""


class DeliveryError(RenderError):
    """Raised when a name or a drop cannot be made."""


class RetryError(BridgeError):
    """Raised when the same render may work later."""


class RenderChangedError(RetryError):
    """Raised when a file changed while it was being read."""


class NoSpaceError(RetryError):
    """Raised when a disk is full, or takes no file so large."""


class DestinationError(RetryError):
    """Raised when the outbox is not there or not writable."""


class DeviceError(RetryError):
    """Raised when a processor is gone or out of memory."""


class WorkerError(RetryError):
    """Raised when the worker process died or made no progress; worth another attempt, not endless ones."""


class Cancelled(Exception):  # noqa: N818 - not an error: the user took the job back
    """Raised inside a job when the user takes it back; says nothing to anyone."""


def by_name(name: str) -> type[BridgeError]:
    """Find an error class by its name, for errors that crossed a process border."""
    found = globals().get(name)
    return found if isinstance(found, type) and issubclass(found, BridgeError) else RenderError
