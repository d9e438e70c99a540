"""`python -m flows`: the same as the `bertdata` command."""

from flows.cli import main

raise SystemExit(main())
