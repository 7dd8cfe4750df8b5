"""``python -m edsnb``: the command line."""

from edsnb.cli import main

raise SystemExit(main())
