"""Which versions a run stands on, and the refusal of another physics engine than the pinned one."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from repro.errors import ReproError

# mujoco 4.0.0, which gymnasium[mujoco] picks by itself, has a solver defect
# (google-deepmind/mujoco#3767); results of different engines are not compared.
ENGINE = "3.6.0"

_PACKAGES = ("torch", "numpy", "gymnasium", "mujoco", "ale-py")


def require_engine(accept: bool = False) -> str:
    """The version string of the loaded MuJoCo library; another than `ENGINE` only if accepted.

    The library itself is asked (`mj_versionString`), not the package's metadata. Worker
    processes are told of the acceptance by REPRO_ACCEPT_ENGINE=1.
    Raises ReproError where MuJoCo is missing, or is another version and `accept` is false.
    """
    try:
        import mujoco
    except ImportError as error:
        raise ReproError(
            f"MuJoCo cannot be imported ({error}); expected mujoco=={ENGINE}; "
            "install the project again: `pip install -e .`"
        ) from error
    found = str(mujoco.mj_versionString())
    accept = accept or os.environ.get("REPRO_ACCEPT_ENGINE") == "1"
    if found != ENGINE and not accept:
        raise ReproError(
            f"MuJoCo {found} is loaded, expected {ENGINE}, on which all evidence stands; "
            f"`pip install mujoco=={ENGINE}`, or go on with --accept-engine"
        )
    return found


def versions() -> dict[str, str]:
    """Versions of python and of what environments stand on; "absent" where not installed.

    Read from package metadata, so that nothing is imported (ale-py only where Atari is run).
    """
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found
