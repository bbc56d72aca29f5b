"""Run the command line: `python -m maskbus`."""

import sys

from maskbus.cli import main

if __name__ == "__main__":
    sys.exit(main())
