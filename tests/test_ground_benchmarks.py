"""The comparison measures what it says: windows, settings, medians and ratios."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks import peers, report, settings
from benchmarks.contenders import library, main_job, measured, ours, ours_a2c, ours_dqn, ours_td3
from benchmarks.window import Order, Window
from implementations import a3c_2016, td3_2018
from repro.errors import ReproError
from repro.experiment import resolve
from repro.files import write_json
from repro.training import checkpoint
from repro.training.experience import EveryStep

ROOT = Path(__file__).resolve().parent.parent


def test_window_leaves_out_the_first_and_the_last_iteration() -> None:
    window = Window(marks=[0.0, 10.0, 11.0, 13.0])
    assert window.iterations == 2
    assert window.seconds == 3.0


def test_ours_trains_with_the_settings_of_the_others() -> None:
    hp, theirs = ours.hparams(), library.keywords()
    assert hp.num_actors == 1
    assert hp.horizon == theirs["n_steps"]
    assert hp.minibatch_size == theirs["batch_size"]
    assert hp.epochs == theirs["n_epochs"]
    assert (hp.gamma, hp.gae_lambda) == (theirs["gamma"], theirs["gae_lambda"])
    assert hp.value_coefficient == theirs["vf_coef"]
    assert hp.entropy_coefficient == theirs["ent_coef"]
    assert hp.max_grad_norm.max == theirs["max_grad_norm"]
    assert hp.step_size.value == theirs["learning_rate"]
    assert hp.surrogate.range.value == theirs["clip_range"]
    assert hp.network.hidden == settings.HIDDEN
    assert hp.network.activation == "tanh"
    assert hp.advantage_normalization.over == "minibatch"
    assert hp.time_limit == "bootstrap"


def test_our_a2c_trains_with_the_settings_of_the_others() -> None:
    hp, theirs = ours_a2c.hparams(), library.a2c_keywords()
    assert hp.num_actors * hp.horizon * settings.A2C_UPDATES == settings.A2C_STEPS
    assert (hp.horizon, hp.gamma) == (theirs["n_steps"], theirs["gamma"])
    assert hp.step_size.value == theirs["learning_rate"]
    assert hp.value_coefficient == theirs["vf_coef"]
    assert hp.entropy_coefficient == theirs["ent_coef"]
    assert hp.max_grad_norm.max == theirs["max_grad_norm"]
    assert hp.rmsprop.epsilon == theirs["rms_prop_eps"]
    assert not hp.rmsprop.epsilon_inside
    assert hp.network.hidden == settings.HIDDEN
    assert hp.network.activation == "tanh"
    assert (hp.over_steps, hp.time_limit) == ("mean", "bootstrap")


def test_our_td3_trains_with_the_settings_of_the_others() -> None:
    hp = ours_td3.hparams()
    assert hp.updates == EveryStep()
    assert hp.policy_network.hidden == hp.critic_network.hidden == settings.TD3_HIDDEN
    assert hp.policy_network.activation == hp.critic_network.activation == "relu"
    assert hp.critic_network.action_layer == 0
    assert hp.target_value == td3_2018.ClippedDoubleQ()
    assert hp.adam.epsilon == 1e-8
    assert not hp.adam.epsilon_hat
    assert hp.time_limit == "bootstrap"
    assert hp.replay_capacity == settings.TD3_CAPACITY
    assert hp.random_steps == hp.learning_starts == settings.TD3_STEPS


def test_our_dqn_trains_with_the_settings_of_the_others() -> None:
    hp, theirs = ours_dqn.hparams(), library.dqn_keywords()
    assert hp.step_size.value == theirs["learning_rate"]
    assert (hp.minibatch_size, hp.gamma) == (theirs["batch_size"], theirs["gamma"])
    assert hp.replay_capacity == theirs["buffer_size"]
    assert hp.learning_starts == theirs["learning_starts"]
    assert hp.update_period == theirs["train_freq"]
    assert hp.target_network.period == theirs["target_update_interval"]
    assert hp.exploration.start == hp.exploration.end == theirs["exploration_final_eps"]
    assert hp.network.channels == [32, 64, 64]
    assert hp.network.padding == [0, 0, 0]
    options = hp.atari.options()
    assert (options.noop_max, options.frame_skip, options.sticky_actions) == (30, 4, 0.0)
    assert options.fire_reset
    assert options.life_loss_ends
    assert options.clip_rewards


def test_a_window_counts_what_it_watches() -> None:
    class Clerk:
        def work(self, hours: int) -> int:
            return 2 * hours

    window, clerk = Window(), Clerk()
    window.watch("work", clerk, "work")
    window.mark()
    assert clerk.work(hours=3) == 6
    window.mark()
    assert window.parts[0] == {"work": 0.0}
    assert window.parts[1]["work"] > 0.0


def test_operations_of_a_dqn_step_and_an_a2c_step() -> None:
    """By hand, layer by layer: multiplications of one image's way through Nature's network."""
    image = 400 * 32 * 256 + 81 * 64 * 512 + 49 * 64 * 576 + 3136 * 512 + 512 * 4
    update = 32 * 2 * (4 * image - 400 * 32 * 256)
    assert settings.dqn_flop() == pytest.approx(0.9 * 2 * image + update / 4)
    policy, value = 17 * 64 + 64 * 64 + 64 * 6, 17 * 64 + 64 * 64 + 64
    inner = policy + value - 2 * 17 * 64
    assert settings.a2c_flop() == pytest.approx(
        2 * (policy + value / 5 + 2 * (policy + value) + inner)
    )


def test_operations_of_a_td3_update() -> None:
    """415 million, as counted when the bar was set."""
    assert settings.td3_flop() == pytest.approx(415e6, rel=0.005)


def test_our_updates_are_as_many_as_the_others(tmp_path: Path) -> None:
    order = Order(stack=1, iterations=3, evaluate=False, seed=0)
    hp = msgspec.structs.replace(
        ours_td3.hparams(), learning_starts=100, random_steps=100, minibatch_size=8
    )
    measured.train(td3_2018.train, hp, 100, order, tmp_path / "td3", window := Window())
    assert len(window.marks) == 3
    state = checkpoint.load(tmp_path / "td3")[0]
    assert state["kept"]["critic_optimizer"]["t"].tolist() == [[200.0]]

    hp = msgspec.structs.replace(ours_a2c.hparams(), num_actors=2)
    measured.train(a3c_2016.train, hp, 30, order, tmp_path / "a2c", window := Window())
    assert len(window.marks) == 3
    log = (tmp_path / "a2c" / "seed-0.jsonl").read_text()
    assert log.count('"train"') == 3 * 30 // (2 * settings.A2C_HORIZON)


@pytest.mark.parametrize("evaluate", [False, True])
def test_ours_marks_each_iteration(evaluate: bool, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(settings, "HORIZON", 64)
    monkeypatch.setattr(settings, "EPOCHS", 1)
    monkeypatch.setattr(settings, "EVALUATION_PERIOD", 128)
    monkeypatch.setattr(settings, "EVALUATION_EPISODES", 1)
    monkeypatch.setitem(ours.OVERRIDES, "horizon", 64)
    monkeypatch.setitem(ours.OVERRIDES, "epochs", 1)
    window = Window()
    ours.train(Order(stack=2, iterations=4, evaluate=evaluate, seed=3), tmp_path, window)
    assert len(window.marks) == 4
    for seed in (6, 7):
        lines = [json.loads(line) for line in (tmp_path / f"seed-{seed}.jsonl").open()]
        trained = [line["step"] for line in lines if line.get("kind") == "train"]
        evaluated = [line["step"] for line in lines if line.get("kind") == "evaluation"]
        assert trained == [64, 128, 192, 256]
        # one evaluation lies between the beginning of the second and that of the last iteration
        assert sum(64 < step <= 192 for step in evaluated) == (1 if evaluate else 0)


@pytest.mark.parametrize("module", ["physics", "gymnasium_only", "environments"])
def test_contenders_print_their_measurement(module: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.contenders.{module}", "--iterations", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    assert measured["steps"] == settings.HORIZON
    assert measured["seconds"] > 0
    assert 20 < measured["peak_mib"] < 20_000
    assert measured["versions"]["mujoco"] == "3.6.0"


def test_the_main_job_is_measured_as_typed(monkeypatch, capsys) -> None:
    typed = main_job.COMMAND
    assert typed[:4] == ["run", "ppo-2017", "--env", "HalfCheetah"]
    experiment = resolve("ppo-2017", "HalfCheetah")
    assert experiment.steps == settings.MAIN_FULL_STEPS
    monkeypatch.setattr(main_job, "COMMAND", ["run", "ppo-2017", "--env", "CartPole",
                                              "--steps", "2048"])  # fmt: skip
    monkeypatch.setattr(settings, "MAIN_STEPS", 2048)
    monkeypatch.setattr(sys, "argv", ["main_job", "--stack", "2"])
    main_job.main()
    measured = json.loads(capsys.readouterr().out)
    assert measured["steps"] == 2 * 2048
    assert 0 < measured["seconds"] < 60
    assert measured["parts"]["before and after training"] > 0
    assert 50 < measured["peak_mib"] < 20_000


def test_every_contender_has_its_module() -> None:
    for contender in peers.contenders():
        assert (ROOT / "benchmarks" / "contenders" / f"{contender.module}.py").exists()


def record() -> dict:
    """Two rounds; the second on a machine that turned three times slower."""
    versions = {"gymnasium": "1.4.0", "mujoco": "3.6.0"}

    def row(task: str, name: str, values: list[float], evaluation: bool = False, stack: int = 1):
        rounds = [
            {
                "steps": 1000 * value,
                "seconds": 1000.0,
                "busy_seconds": 990.0,
                "parts": {"emulator": 100.0, "replay": 50.0} if task == "DQN" else {},
                "peak_mib": 100.0,
                "first_iteration_seconds": 2.0,
            }
            for value in values
        ]
        return {
            "task": task, "name": name, "stack": stack, "evaluation": evaluation,
            "rounds": rounds, "versions": versions, "date": "2026-01-02", "load_before": 0.25,
        }  # fmt: skip

    job = row("main job", "Repro", [8, 8], stack=5)
    for seconds, one in zip((30.0, 60.0), job["rounds"], strict=True):
        one |= {"seconds": seconds, "parts": {"before and after training": 6.0}}
    rows = [
        job,
        row("PPO", "Repro, stack of 10", [8000, 3000], stack=10),
        row("PPO", "Repro, stack of 1", [1900, 600]),
        row("PPO", report.BASE, [1000, 300]),
        row("PPO", "Repro, stack of 10", [4000, 1200], evaluation=True, stack=10),
        row("PPO", "Repro, stack of 1", [1000, 300], evaluation=True),
        row("PPO", report.BASE, [500, 150], evaluation=True),
        row("A2C", "Repro, stack of 10", [9000, 4000], stack=10),
        row("A2C", report.BASE, [1800, 900]),
        row("TD3", "Repro", [120, 60]),
        row("TD3", report.BASE, [60, 20]),
        row("TD3", "SBX", [130, 60]),
        row("DQN", "Repro", [100, 40]),
        row("DQN", report.BASE, [50, 25]),
        row("stepping", "the physics", [20000, 10000]),
        row("matrix", "float32 product", [100e9, 50e9]),
    ]
    return {
        "schema_version": peers.SCHEMA_VERSION, "machine": {"cpu": "a core"},
        "settings": peers.used_settings(), "rows": rows,
    }  # fmt: skip


def test_ratios_are_taken_within_a_round() -> None:
    rows = record()["rows"]
    # 8000/1000 and 3000/300, not the ratio of the medians 5500/650
    assert report.ratio(rows[1], rows[3]) == "9.0"
    assert report.spread(report.rates(rows[1])) == "5,500 (3,000 to 8,000)"
    assert report.main_minutes(rows[0]) == [5.1, 10.1]  # ten times 30 s and 6 s; ten times 60 s


def test_page_shows_every_row_and_setting() -> None:
    text = report.page(record())
    assert [line for line in text.splitlines() if line.startswith("| Repro")] == [
        "| Repro, stack of 10 | 10 | 5,500 (3,000 to 8,000) | 9.0 "
        "| 2,600 (1,200 to 4,000) | 8.0 | 100, 100 | 2.0 |",
        "| Repro, stack of 1 | 1 | 1,250 (600 to 1,900) | 1.9 "
        "| 650 (300 to 1,000) | 2.0 | 100, 100 | 2.0 |",
        "| Repro, stack of 10 | 10 | 6,500 (4,000 to 9,000) | 4.7 | 1% | 100 | 2.0 |",
        # of the medians: 90 · 415e6 of 75e9
        "| Repro | 90 (60 to 120) | 2.5 | 50% | 100 | 2.0 |",
        # 70 · 562e6 of 75e9
        "| Repro | 70 (40 to 100) | 1.8 | 10% | 85% | 5% | 52% | 100 | 2.0 |",
    ]
    for line in (
        "| main job on two cores, minutes | at most 9 | 7.60 | yes |",
        "| PPO, one seed | 2 × Stable-Baselines3 | 1.95 | **no** |",
        "| PPO, ten seeds | 7 × Stable-Baselines3 | 9.00 | yes |",
        "| PPO, ten seeds, steps/s | aim 12,000 | 5,500 | **no** |",
        "| TD3 | 1 × SBX | 0.96 | **no** |",
    ):
        assert line in text
    assert "| the physics | 1 | 15,000 (10,000 to 20,000) | 75 |" in text
    assert "320 gradient steps" in text
    assert "had its core for 99% of" in text
    assert "75 (50 to 100) thousand million" in text
    assert "DQN, stepping, matrix: 2 rounds, 2026-01-02, load 0.2 before" in text
    assert "{" not in text


def test_a_table_measured_anew_leaves_the_others(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "peers.json"
    write_json(path, record() | {"machine": peers.machine()})
    once = {"steps": 7.0, "seconds": 1.0, "versions": {"mujoco": "3.6.0"}}
    monkeypatch.setattr(peers, "measure", lambda *arguments: dict(once))
    peers.run(2, None, 0, path, ["TD3"])
    before, after = record()["rows"], json.loads(path.read_text())["rows"]
    assert {row["task"] for row in after} == set(peers.tasks())
    anew = [row for row in after if row["task"] == "TD3"]
    assert [row["name"] for row in anew] == ["Repro", report.BASE, "SBX"]
    assert all(row["rounds"] == [{"steps": 7.0, "seconds": 1.0}] * 2 for row in anew)
    assert [row for row in after if row["task"] != "TD3"] == [
        row for row in before if row["task"] != "TD3"
    ]
    monkeypatch.setattr(settings, "TD3_BATCH", 7)
    with pytest.raises(ReproError, match="measure all tasks"):
        peers.run(1, None, 0, path, ["DQN"])


def test_report_without_a_record_says_how_to_go_on(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["report", "--record", str(tmp_path / "none.json")])
    assert report.main() == 2
    assert "benchmarks.peers run" in capsys.readouterr().err
