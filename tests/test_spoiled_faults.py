"""The planted faults: each text is in today's code once, and changes just what it should."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from spoiled_probe import END, GAE_LAMBDA, GAMMA, REWARD, VALUE

from benchmarks.spoiled.faults import FAULTS, NONE, Edit, Fault, fault_named, plant
from repro.errors import ReproError
from repro.launch.origin import code_files

ROOT = Path(__file__).resolve().parent.parent
SPOILED = [fault for fault in FAULTS.values() if fault is not NONE]


def by_hand(gamma: float, masked: bool = True) -> list[float]:
    """Generalised advantages of the probe, one step after the other."""
    found, following = [], 0.0
    for t in reversed(range(len(REWARD))):
        goes_on = 0.0 if masked and t == END else 1.0
        delta = REWARD[t] + gamma * VALUE[t + 1] * goes_on - VALUE[t]
        following = delta + gamma * GAE_LAMBDA * goes_on * following
        found.append(following)
    return found[::-1]


EXPECTED = {
    "none": (by_hand(GAMMA), [2.0]),
    "done-mask": (by_hand(GAMMA, masked=False), [2.0]),
    "gamma-squared": (by_hand(GAMMA**2), [2.0]),
    "halved-returns": (by_hand(GAMMA), [1.0]),
}


def copy_of_code(folder: Path) -> Path:
    for name in ("repro", "implementations"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)
def test_a_fault_changes_just_what_it_should(fault: Fault, tmp_path: Path) -> None:
    copy = copy_of_code(tmp_path / "copy")
    plant(fault, copy)
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "spoiled_probe.py"), str(tmp_path / "run")],
        env=os.environ | {"PYTHONPATH": f"{copy}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert Path(found["code"]).is_relative_to(copy)
    advantages, returns = EXPECTED[fault.name]
    np.testing.assert_allclose(found["advantages"], advantages, rtol=1e-5)
    assert found["returns"] == returns


def test_the_probe_tells_the_faults_apart() -> None:
    told = [(tuple(np.round(a, 3)), tuple(r)) for a, r in EXPECTED.values()]
    assert len(set(told)) == len(FAULTS)
    mask = np.array(EXPECTED["done-mask"][0]) != np.array(EXPECTED["none"][0])
    assert mask.tolist() == [True, True, False, False]  # up to the episode's end


def test_faults_are_planted_in_files_that_a_run_digests() -> None:
    known = code_files("ppo-2017")
    for fault in SPOILED:
        assert fault.edits
        for edit in fault.edits:
            assert edit.file in known
            assert edit.old != edit.new


@pytest.mark.parametrize(("text", "times"), [("y = 1\n", 0), ("x = 1\nx = 1\n", 2)])
def test_a_text_not_found_once_is_refused(text: str, times: int, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(text)
    fault = Fault("stale", "", (Edit("code.py", "x = 1", "x = 2"),))
    with pytest.raises(ReproError, match=f"stale: found {times} times in code.py"):
        plant(fault, tmp_path)
    assert (tmp_path / "code.py").read_text() == text


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReproError, match=r"found 0 times in gone\.py"):
        plant(Fault("stale", "", (Edit("gone.py", "x", "y"),)), tmp_path)


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ReproError, match='did you mean "done-mask"'):
        fault_named("donemask")
