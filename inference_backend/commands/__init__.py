"""One module a subcommand: `add_parser(subparsers)` sets `run=`, which takes the parsed arguments and returns an exit code."""
