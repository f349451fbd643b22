"""Layers in, layers out: sources, prompts, sessions and results. No widgets."""
