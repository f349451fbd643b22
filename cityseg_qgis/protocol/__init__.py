"""The contract between plugin and backend, the only code that both share: standard library only."""
