"""The commands: each file's docstring is its help; `add_arguments` and `execute` are the rest.

Everything heavy (torch, numpy, scipy, matplotlib) is imported inside `execute`.
"""
