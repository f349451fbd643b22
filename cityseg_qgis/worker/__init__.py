"""Owns the backend's process: interpreter, environment, install, start, stop, restart, requests."""
