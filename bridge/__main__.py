"""`python -m bridge` and the `stem-bridge` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from bridge.cli.main import run

    run()


if __name__ == "__main__":
    main()
