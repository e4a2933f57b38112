"""Benchmarks: what the model learns and how fast the kit is, each one command."""
