"""`stem-bridge reaper`: from the command to actions in REAPER, and back."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.config import state_folder
from tests.cli.conftest import Run
from tests.reaper.standin.machine import Reaper


def test_from_the_command_to_actions_in_reaper_and_back(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "R"
    folder.mkdir()
    (folder / "reaper.ini").write_text("[REAPER]\n")
    settings = tmp_path / "bridge.yaml"
    inbox, outbox = tmp_path / "in ü", tmp_path / "out"
    settings.write_text(f"version: 1\ninboxes:\n  - {{path: '{inbox}', outbox: '{outbox}'}}\n", encoding="utf-8")
    done = run("reaper", "install", "--resource-path", str(folder), "--config", str(settings))
    assert done.code == 0, done.err
    adder = Path(done.out.strip())
    daw = Reaper()
    daw.run(adder)
    names = [Path(path).name for _, path in daw.actions]
    assert "stembridge_Send to bridge.lua" in names
    assert adder.name not in names
    assert all(re.fullmatch(r"stembridge_[A-Z][\w -]+\.lua", name) for name in names)
    assert f"{len(names)} actions" in daw.messages[0]
    config = (adder.parent / "stembridge_config.lua").read_text()
    daw.run_text(
        f"""
        local bridge = assert(loadfile([[{adder.parent / "lib" / "stembridge_bridge.lua"}]]))({{}})
        local config = bridge.config([[{adder.parent}/]])
        assert(config.inboxes[1].path == [[{inbox}]] and config.state == [[{state_folder()}]])
        assert(config.command:find("watch", 1, true))
        """
    )
    assert config.startswith("return {")
    assert run("reaper", "path", "--resource-path", str(folder)).out.strip() == str(adder.parent)
    assert run("reaper", "uninstall", "--resource-path", str(folder)).code == 0
    assert not adder.exists()
