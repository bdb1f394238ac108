"""``python -m googlenet_parity`` is the command line."""

from googlenet_parity.cli import main

if __name__ == "__main__":
    main()
