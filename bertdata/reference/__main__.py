"""`python -m bertdata.reference`: the original's command."""

from __future__ import annotations

from bertdata.reference.command import main
from bertdata.terminal import run_command

if __name__ == "__main__":
    raise SystemExit(run_command(main))
