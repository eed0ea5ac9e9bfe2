"""`stem-bridge doctor`: what works here, what does not, and the command that mends it."""

from __future__ import annotations

from dataclasses import asdict

import typer

from bridge.cli import options, output

__all__ = ["doctor"]


def doctor(config: options.Config = None, json: options.Json = False, verbose: options.Verbose = 0) -> None:
    """Find what does not work here, and the command that mends it.

    Ends with 2 when something must be mended first.
    """
    from bridge.cli.checks import check_all

    failed = False
    for finding in check_all(config):
        failed = failed or finding.level == "fail"
        if json:
            output.event("finding", **asdict(finding))
            continue
        output.result(f"{finding.level:<5} {finding.subject:<22} {output.one_line(finding.message)}")
        if finding.mend:
            output.result(f"{'':<5} {'':<22} -> {finding.mend}")
    if failed:
        raise typer.Exit(2)
