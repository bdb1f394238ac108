"""The command line: ``netparity``, or ``python -m netparity``."""

from __future__ import annotations

from netparity.system.openblas import import_numpy


def main() -> None:
    """The command's entry point."""
    import_numpy()  # before any other module does
    from netparity.cli import main as cli

    cli.main()


if __name__ == "__main__":
    main()
