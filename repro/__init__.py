"""Repro: the key papers of deep reinforcement learning as data, code and evidence."""

__version__ = "0.1.0"
