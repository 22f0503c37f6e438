"""Files from strangers: cards, sets, results, logs, checkpoints. Each mutation of a real file is
read, or refused in one line; nothing is run, nothing leaves its folder."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from fuzz_tools import as_yaml, examples, hold

from repro import evidence, housekeeping, paths
from repro.attempts import read_attempts
from repro.cards import load_card, load_sets
from repro.errors import ReproError
from repro.nightly import night
from repro.plans import read_plan, result_folder
from repro.results import read_log
from repro.runs import RunFolder, SeedState
from repro.training import checkpoint

PROJECT = Path(__file__).resolve().parent.parent
CARD = "straw-2016"  # a short one
RESULT = PROJECT / "results" / "ppo-2017" / "Reacher-v4" / "mujoco-ppo2"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """Cards and one result, to be overwritten."""
    (tmp_path / "inner").mkdir()
    root = tmp_path / "inner"
    shutil.copytree(PROJECT / "papers", root / "papers")
    shutil.copytree(PROJECT / "hparams", root / "hparams")
    shutil.copytree(RESULT, root / "results" / RESULT.relative_to(PROJECT / "results"))
    for name in ("PAPERS", "HPARAMS", "RESULTS", "RUNS"):
        monkeypatch.setattr(paths, name, root / name.lower())
    monkeypatch.setattr(paths, "ROOT", root)
    return root


def real(path):
    content = path.read_bytes()
    return content, json.loads(content) if path.suffix == ".json" else None


@examples(25)
def test_cards(clone, count):
    file = clone / "papers" / f"{CARD}.yaml"

    def target(content):
        file.write_bytes(content)
        load_card(CARD)

    content = file.read_bytes()
    hold(target, content, count, yaml.safe_load(content), as_yaml)


@examples(25)
def test_hyperparameters(clone, count):
    file = clone / "hparams" / f"{CARD}.yaml"

    def target(content):
        file.write_bytes(content)
        for values in load_sets(CARD).values():
            values.values()
            values.provenance()

    content = file.read_bytes()
    hold(target, content, count, yaml.safe_load(content), as_yaml)


def result_of(clone):
    return clone / "results" / RESULT.relative_to(PROJECT / "results")


@examples(25)
def test_plans_stay_in_their_folder(clone, count):
    file = result_of(clone) / "plan.json"

    def target(content):
        file.write_bytes(content)
        folder = result_folder(read_plan(file).experiment)
        assert folder.resolve().is_relative_to((clone / "results").resolve())
        assert len(folder.relative_to(clone / "results").parts) == 3

    hold(target, *_with(file, count))


def _with(file, count):
    content, data = real(file)
    return content, count, data


@pytest.mark.parametrize("field", ["paper", "env", "hparam_set", "ablation"])
@pytest.mark.parametrize("name", ["..", "../..", "/etc", "a/../../../b", "", ".", "x" * 5000, "\0"])
def test_names_that_lead_out_of_results_are_refused(clone, field, name):
    """With all digests made right, as an attacker would."""
    from repro.files import digest
    from repro.plans import evidence_seeds, plan_digest

    content = json.loads((result_of(clone) / "plan.json").read_text())
    content["experiment"][field] = name
    content["experiment_digest"] = digest(content["experiment"])
    content["seeds"] = evidence_seeds(plan_digest(content), len(content["seeds"]))
    file = clone / "results" / "plan.json"
    file.write_text(json.dumps(content))
    before = {p for p in clone.parent.rglob("*") if "results" not in p.parts}
    with contextlib.suppress(ReproError):
        folder = result_folder(read_plan(file).experiment)
        assert "/" in name, "only an environment's slashes are made harmless"
        assert field == "env"
        assert folder.parent.parent == clone / "results" / "ppo-2017"
    assert {p for p in clone.parent.rglob("*") if "results" not in p.parts} == before


@pytest.mark.parametrize("name", ["metrics.json", "curves.csv"])
@examples(25)
def test_results(clone, name, count):
    """Read, judged, and shown as the site shows it; also with digests that fit."""
    from repro.files import digest

    folder = result_of(clone)
    metrics = json.loads((folder / "metrics.json").read_text())
    card = load_card("ppo-2017")

    def target(content):
        (folder / name).write_bytes(content)
        if name == "curves.csv":
            text = content.decode(errors="replace")
            (folder / name).write_text(text, encoding="utf-8", newline="")
            fitting = {**metrics, "files": {name: digest(text)}}
            (folder / "metrics.json").write_text(json.dumps(fitting))
        evidence.judge(card, [evidence.read_result(folder)])

    hold(target, *_with(folder / name, count))


@examples(25)
def test_attempts(clone, count):
    folder = result_of(clone)

    def target(content):
        (folder / "attempts.jsonl").write_bytes(content)
        for line in read_attempts(folder):
            assert isinstance(line, dict)

    hold(target, (folder / "attempts.jsonl").read_bytes(), count)


@examples(25)
def test_verdicts(clone, count):
    file = clone / "results" / "ppo-2017" / "verdicts.json"
    shutil.copy(PROJECT / "results" / "ppo-2017" / "verdicts.json", file)

    def target(content):
        file.write_bytes(content)
        evidence.stored_verdicts("ppo-2017")

    hold(target, *_with(file, count))


def written(clone):
    import evidence_tools as tools

    from repro.experiment import resolve

    return tools.written_run(resolve("ppo-2017", "CartPole", steps=2048), range(2), episode=200)


@examples(25)
def test_logs(clone, count):
    folder = written(clone)
    state = folder.seeds()[0]

    def target(content):
        state.log.write_bytes(content)
        read_log(SeedState(0, "finished", 2048, None, state.folder), 2048)

    hold(target, state.log.read_bytes(), count)


@pytest.mark.parametrize("name", ["manifest.json", "stacks/one/outcome.json"])
@examples(25)
def test_run_folders(clone, name, count):
    folder = written(clone)

    def target(content):
        (folder.path / name).write_bytes(content)
        housekeeping.inspect(folder.path)
        for state in RunFolder(folder.path).seeds().values():
            assert state.log.resolve().is_relative_to(folder.path.resolve())

    hold(target, *_with(folder.path / name, count))


@examples(40)
def test_checkpoints(tmp_path, count):
    """Whatever the bytes, also with a digest that fits: the state, or none and a warning."""
    import hashlib

    checkpoint.save(tmp_path, {"x": torch.arange(6.0), "names": ["a"], "n": {"b": 1}})
    whole = (tmp_path / checkpoint.NAME).read_bytes()
    payload = whole[: -checkpoint.DIGEST_BYTES]

    def target(content):
        signed = content + hashlib.sha256(content).digest()
        for written in (content, signed):
            (tmp_path / checkpoint.NAME).write_bytes(written)
            state, warning = checkpoint.load(tmp_path)
            assert state is not None or warning

    hold(target, payload, count)


class Planted:
    """What an attacker puts into a pickle: a call."""

    def __reduce__(self):
        import os

        return os.mkdir, ("planted",)


def test_a_checkpoint_with_a_call_in_it_is_not_obeyed(tmp_path, monkeypatch):
    import hashlib

    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    torch.save({"schema_version": 1, "x": Planted()}, buffer)
    content = buffer.getvalue()
    (tmp_path / checkpoint.NAME).write_bytes(content + hashlib.sha256(content).digest())
    state, warning = checkpoint.load(tmp_path)
    assert state is None
    assert "damaged" in warning
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("kind", ["night", "report"])
@examples(25)
def test_nights(clone, kind, count):
    from repro.nightly import markdown

    plan, report = example_night()
    file = clone / "results" / "nightly" / plan.date / f"{kind}.json"
    night.write(file, plan if kind == "night" else report)

    def target(content):
        file.write_bytes(content)
        if kind == "night":
            found = night.read(file, night.Night)
            text = markdown.markdown(found, report)
        else:
            text = markdown.markdown(plan, night.read(file, night.Report))
        assert "<" not in text

    hold(target, *_with(file, count))


def example_night():
    job = night.Job(
        name="a.b.c", kind="check", why="old", folder="ppo-2017/Reacher-v4/mujoco", plan="0" * 64,
        look=None, screen=5, confirm=10, tests=["training-return-last-100"], seconds=60.0,
        part=False, basis="1 earlier run of this set",
    )  # fmt: skip
    plan = night.Night(
        schema_version=1, date="2026-01-02", commit=None, budget=3600.0, workers=2, level=0.01,
        jobs=[job], left=["begin x"],
    )  # fmt: skip
    test = night.Test(metric="m", committed=1.0, fresh=0.5, p=0.01, confirmed=0.001)
    event = night.Event(
        schema_version=1, night="2026-01-02", job="a.b.c", folder=job.folder, kind="check",
        outcome="worse", started="2026-01-02T01:00:00Z", commit=None, dirty=None, run="a/b/c/d",
        code="0" * 64, cpu=None, seeds=15, steps=1000, seconds=9.0, wall=5.0, tests=[test],
        said=["one worker died"],
    )  # fmt: skip
    change = night.Change(paper="ppo-2017", claim="c", was="undecided", now="not reproduced")
    drift = night.Drift(job="a.b.c", ratio=2.0)
    report = night.Report(
        schema_version=1, date="2026-01-02", events=[event], changes=[change], drifts=[drift]
    )
    return plan, report
