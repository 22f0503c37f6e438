"""Planted faults for tests: on PYTHONPATH, this file kills a process at a chosen call.

REPRO_TEST_FAULT is `PROCESS MODULE:FUNCTION:N ACTION`, for example
`repro.launch.worker repro.training.checkpoint:save:2 kill`: in processes with an argument that
ends in PROCESS, the N-th call (from 1) of the function ends in the action: `kill` before it runs
(SIGKILL), `kill-after` when it has run, `interrupt` (SIGINT, then it runs), `full` (the disk is
full), `nan` (of an optimiser's step: the parameters of the stack's second seed are NaN after it).
Nothing of this is in Repro itself.
"""

import errno
import functools
import importlib.abc
import importlib.util
import os
import signal
import sys


def _plant(module, qualname, number, action):
    *path, name = qualname.split(".")
    owner = functools.reduce(getattr, path, module)
    original, calls = getattr(owner, name), 0

    @functools.wraps(original)
    def wrapped(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == number and action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if calls == number and action == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        if calls == number and action == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        result = original(*args, **kwargs)
        if calls == number and action == "kill-after":
            os.kill(os.getpid(), signal.SIGKILL)
        if calls == number and action == "nan":
            args[0].parameters.data[1] = float("nan")
        return result

    setattr(owner, name, wrapped)


class _AfterImport(importlib.abc.MetaPathFinder):
    def __init__(self, name, plant):
        self.name, self.plant = name, plant

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            self.plant(module)

        spec.loader.exec_module = exec_module
        return spec


def _install(fault):
    process, call, action = fault.split()
    if not any(argument.endswith(process) for argument in sys.orig_argv):
        return
    name, qualname, number = call.split(":")

    def plant(module):
        _plant(module, qualname, int(number), action)

    if name in sys.modules:
        plant(sys.modules[name])
    else:
        sys.meta_path.insert(0, _AfterImport(name, plant))


if os.environ.get("REPRO_TEST_FAULT"):
    _install(os.environ["REPRO_TEST_FAULT"])
