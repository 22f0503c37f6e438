"""Stacks on a Ray cluster: the curves of local processes to the bit, whatever node is lost."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from runner_tools import Command, assert_same, toy_experiment, toy_root, trace, wait_for

from repro.errors import ReproError
from repro.launch.mirror import Mirror

SEEDS = [0, 1, 2, 3]
STORE_BYTES = 80 * 2**20  # the least that Ray takes is 75 MiB; nothing large goes through it


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return toy_root(tmp_path_factory.mktemp("clone") / "root")


class Nodes:
    """A cluster of this machine: a head that trains nothing, and nodes of one core."""

    def __init__(self, count: int) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes: list[Any] = []
        for _ in range(count):
            self.add()

    def add(self) -> None:
        self.nodes.append(self.cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES))

    def lose(self) -> None:
        """One node is killed with all its processes."""
        self.cluster.remove_node(self.nodes.pop(0), allow_graceful=False)


@pytest.fixture(scope="module")
def nodes():
    pytest.importorskip("ray", reason="needs Ray: pip install -e '.[ray]'")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Nodes(2)
    yield made
    made.cluster.shutdown()


@pytest.fixture
def command(root, tmp_path):
    def make(name, steps, **options):
        environment = {"REPRO_ROOT": str(root)}
        return Command(tmp_path / name, toy_experiment(steps), SEEDS, environment, **options)

    return make


@pytest.mark.slow
def test_a_cluster_gives_the_bits_of_local_processes_and_a_lost_node_changes_nothing(
    command, nodes
):
    local = command("local", 3000, workers=2)
    assert local.run()[0] == 0
    remote = command("remote", 3000, workers=2, on="ray", storage=None)
    with remote.started(RAY_ADDRESS=nodes.cluster.address) as process:
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.extend(process.stderr))
        reader.start()
        wait_for(lambda: len(list(remote.root.rglob("checkpoint.previous.pt"))) == 2, 120)
        nodes.lose()  # both were busy
        nodes.add()
        output = process.stdout.read()
        reader.join()
        process.wait()
    assert process.returncode == 0, said
    remote.folder = Path(output.strip())
    assert_same(trace(local.folder), trace(remote.folder))
    lines = "".join(said)
    assert "their node was lost" in lines
    assert "Traceback" not in lines
    assert "raylet" not in lines


@pytest.fixture
def head(tmp_path):
    """The address of a cluster that is asked from outside, by Ray's client."""
    pytest.importorskip("grpc", reason="needs Ray's client: pip install -e '.[ray]'")
    ray = Path(sys.executable).with_name("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        "--head",
        "--port=0",
        f"--ray-client-server-port={port}",
        "--num-cpus=2",
        "--include-dashboard=false",
        "--disable-usage-stats",
        f"--object-store-memory={STORE_BYTES}",
        "--block",
    ]
    with (tmp_path / "head.log").open("wb") as log:
        process = subprocess.Popen([ray, "start", *options], stdout=log, stderr=log)
    wait_for(lambda: listens(port), 60)
    yield f"ray://127.0.0.1:{port}"
    process.terminate()  # it takes its own processes along, and no other cluster's
    process.wait()


def listens(port):
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_a_cluster_asked_from_outside_gives_the_same_bits(command, head):
    local = command("local", 600, workers=2)
    assert local.run()[0] == 0
    remote = command("remote", 600, workers=2, on=head, storage=None)
    status, said = remote.run()
    assert status == 0, said
    assert_same(trace(local.folder), trace(remote.folder))


@pytest.mark.slow
def test_nodes_without_a_shared_folder_go_through_a_store(command, nodes, tmp_path):
    local = command("local", 600, workers=2)
    assert local.run()[0] == 0
    store = (tmp_path / "store").as_uri()
    remote = command("remote", 600, workers=2, on="ray", storage=store)
    status, said = remote.run(RAY_ADDRESS=nodes.cluster.address)
    assert status == 0, said
    assert_same(trace(local.folder), trace(remote.folder))
    assert list((tmp_path / "store").rglob("checkpoint.pt"))


def test_without_ray_one_line_says_how_to_get_it(tmp_path):
    hide = "import sys; sys.modules['ray'] = None; from repro.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", hide, "run", "ppo-2017", "--env", "CartPole", "--on", "ray"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"REPRO_RUNS": str(tmp_path)}
    )
    assert done.returncode == 2
    assert "pip install -e '.[ray]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_needs_a_cluster(root, command):
    status, said = command("here", 200, storage="file:///nowhere").run()
    assert status == 2
    assert "--on ray" in said


def test_an_unknown_store_is_one_line(tmp_path):
    with pytest.raises(ReproError, match="--storage nosuch://x"):
        Mirror(tmp_path, "nosuch://x")


def test_a_copy_can_be_resumed_from_whatever_was_written_since(tmp_path):
    """A checkpoint never goes up before the logs that it counts; the one before it stays."""
    here, there, back = (tmp_path / name for name in ("here", "there", "back"))
    here.mkdir()
    mirror = Mirror(here, there.as_uri())
    for round_ in (1, 2):
        (here / "seed-0.jsonl").write_text("line\n" * round_)
        (here / "checkpoint.pt").write_text(f"{round_} lines")
        mirror.push()
    assert (there / "checkpoint.pt").read_text() == "2 lines"
    assert (there / "checkpoint.previous.pt").read_text() == "1 lines"
    Mirror(back, there.as_uri()).pull()
    assert (back / "seed-0.jsonl").read_text() == "line\n" * 2
    assert not list(there.glob("*.part"))


def test_replay_that_was_dropped_stays_one_push_longer(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "seed-0-00000.rows").write_bytes(b"old")
    mirror = Mirror(here, there.as_uri())
    mirror.push()
    (here / "seed-0-00000.rows").unlink()
    mirror.push()
    assert (there / "seed-0-00000.rows").exists()
    mirror.push()
    assert not (there / "seed-0-00000.rows").exists()
