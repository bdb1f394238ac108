"""``python -m googlenet_parity``, and ``googlenet-parity``, are the command line."""

from __future__ import annotations

from googlenet_parity.kernels import import_numpy

__all__ = ["main"]


def main() -> None:
    """The command's entry point."""
    import_numpy()  # before any other module does
    from googlenet_parity import cli

    cli.main()


if __name__ == "__main__":
    main()
