"""`python -m flows`: the same as the `bertdata` command."""

from flows.start import main

if __name__ == "__main__":
    raise SystemExit(main())
