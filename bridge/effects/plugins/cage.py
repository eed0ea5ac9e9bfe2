"""The process that holds one plugin: answers its parent, line by line, and ends when the parent is gone.

The plugin is loaded and runs on the main thread. Whatever it prints goes to standard error, where the parent keeps the
end of it; answers go through a pipe that the plugin does not know. Should it hang while nobody is left to end it, a
timer that needs no Python does.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from bridge.child_pipes import own_pipes
from bridge.effects.plugins.memory import limit_memory, memory_bytes

__all__ = ["main"]

_GRACE_SECONDS = 10.0
"""The parent ends what takes too long; this much later it is taken for dead."""
_LOOK_SECONDS = 0.1
_MEMORY_EXIT = 86

Question = dict[str, Any]


class _Channel:
    """The pipe to the parent."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.asked: Question = {}

    def answer(self, kind: str, **details: object) -> None:
        """Answer the question in hand."""
        said = {"is": kind, "nonce": self.asked.get("nonce"), "number": self.asked.get("number"), **details}
        self._out.write(json.dumps(said).encode("ascii") + b"\n")
        self._out.flush()


def main() -> None:
    """Answer questions until the parent closes the pipe."""
    most_memory, folder = int(sys.argv[1]), Path.cwd()
    incoming, outgoing = own_pipes()
    _stay_quiet()
    limit_memory(most_memory)
    channel = _Channel(outgoing)
    questions: queue.SimpleQueue[Question] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(incoming, questions, folder), daemon=True).start()
    threading.Thread(target=_watch_memory, args=(most_memory, channel), daemon=True).start()
    _serve(channel, questions, folder)


def _serve(channel: _Channel, questions: queue.SimpleQueue[Question], folder: Path) -> None:
    # Not before the pipes are ours: what is loaded now may print.
    from bridge.effects.plugins.caged_instrument import CagedInstrument
    from bridge.effects.plugins.caged_plugin import CagedPlugin, Refusal, describe

    plugin: CagedPlugin | CagedInstrument | None = None
    while True:
        asked = channel.asked = questions.get()
        faulthandler.dump_traceback_later(asked["seconds"] + _GRACE_SECONDS, exit=True)
        try:
            if asked["do"] == "load":
                plugin, said = (CagedInstrument if asked["plays"] else CagedPlugin).load(asked, folder)
            elif asked["do"] == "play" and isinstance(plugin, CagedPlugin):
                said = {"frames": plugin.play(asked["frames"])}
            elif asked["do"] == "perform" and isinstance(plugin, CagedInstrument):
                said = {"frames": plugin.perform(asked["messages"], asked["frames"])}
            else:
                said = describe(asked["path"], asked["plugin_name"], asked["seconds"])
        except Refusal as exc:
            channel.answer("refused", message=exc.message, hint=exc.hint, absent=exc.absent)
        except MemoryError:
            channel.answer("memory")
        else:
            channel.answer("done", **said)
        finally:
            faulthandler.cancel_dump_traceback_later()


def _stay_quiet() -> None:
    """Let a crash be a crash: no dialog that waits for somebody, no image of the memory on the disk."""
    if sys.platform == "win32":
        import ctypes

        ctypes.windll.kernel32.SetErrorMode(0x0001 | 0x0002 | 0x8000)
    else:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _listen(pipe: BinaryIO, questions: queue.SimpleQueue[Question], folder: Path) -> None:
    for line in pipe:
        questions.put(json.loads(line))
    # The parent is gone, perhaps without a warning: nobody else takes the folder away.
    os.chdir(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _watch_memory(most_bytes: int, channel: _Channel, look: Callable[[], int] = memory_bytes) -> None:
    while look() <= most_bytes:
        time.sleep(_LOOK_SECONDS)
    channel.answer("memory")
    os._exit(_MEMORY_EXIT)


if __name__ == "__main__":
    main()
