"""`repro papers`, `show`, `cite` and `related` as people type them."""

from __future__ import annotations

import json
import re

import evidence_tools as tools
import pytest

from repro.cards import card_ids, load_card, load_sets
from repro.cli import main
from repro.commands.papers import years
from repro.commands.text import clipped, plain
from repro.errors import ReproError
from repro.index import open_index
from repro.index.find import idea_words


def typed(capsys, *arguments):
    status = main(list(arguments))
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.out, captured.err


def ids(capsys, *arguments):
    """The ids that `repro papers` lists."""
    status, out, err = typed(capsys, "papers", *arguments, "--json")
    assert (status, err) == (0, "")
    return [paper["id"] for paper in json.loads(out)]


# papers


def test_each_filter_keeps_what_it_names(capsys):
    everything = {entry["id"]: entry for entry in open_index().entries}
    for arguments, holds in (
        (("--kind", "survey"), lambda e: e["kind"] == "survey"),
        (("--tier", "quick"), lambda e: e["tier"] == "quick"),
        (("--depth", "full"), lambda e: e["depth"] == "full"),
        (("--topic", "meta-rl"), lambda e: e["section"] == "Meta-RL"),
        (("--year", "2015-2016"), lambda e: e["year"] in (2015, 2016)),
        (("--year", "-2009"), lambda e: e["year"] <= 2009),
        (("--year", "2019-"), lambda e: e["year"] >= 2019),
        (("--env", "halfcheetah"), lambda e: "HalfCheetah" in e["environments"]),
        (("--env", "HalfCheetah-v4"), lambda e: "HalfCheetah" in e["environments"]),
        (("--status", "No evidence yet"), lambda e: e["status"] == "no evidence yet"),
        (("--code",), lambda e: e["implemented"]),
    ):
        expected = [name for name, entry in everything.items() if holds(entry)]
        assert expected, arguments
        assert ids(capsys, *arguments) == expected, arguments


def test_filters_and_words_go_together(capsys):
    found = ids(capsys, "trust", "region", "--year", "2015-2017", "--env", "Hopper")
    assert "trpo-2015" in found
    assert "truly-pg-2018" not in found
    assert set(found) <= set(ids(capsys, "trust", "region"))


def test_the_best_match_comes_first(capsys):
    assert ids(capsys, "hindsight", "replay")[0] == "her-2017"
    assert ids(capsys, "schulman", "trust", "region")[0] == "trpo-2015"
    assert ids(capsys, "prioritised", "replay")[0] == ids(capsys, "prioritized", "replay")[0]
    assert ids(capsys, "vpg") == ids(capsys, "VPG") != []


def test_words_are_only_words(capsys):
    """Nothing typed is read as SQL or as the search's own language."""
    for word in (
        '"',
        "a OR b",
        "NEAR(x)",
        "title:x",
        "*",
        "';--",
        "-x",
        "^policy",
        "(",
        "é",
        "{a}",
    ):
        status = main(["papers", "--json", "--", word])
        captured = capsys.readouterr()
        assert status in (0, 2)
        assert "internal" not in captured.err


@pytest.mark.parametrize("by", ["title", "year", "id", "status", "claims", "kind"])
def test_sorting_and_its_reverse(capsys, by):
    listed = json.loads(typed(capsys, "papers", "--sort", by, "--json")[1])
    assert len(listed) == 105
    if by != "status":
        values = [str(e[by]).lower() if isinstance(e[by], str) else e[by] for e in listed]
        assert values == sorted(values)
    back = json.loads(typed(capsys, "papers", "--sort", by, "--reverse", "--json")[1])
    assert back == listed[::-1]


def test_nothing_found_is_an_answer_not_an_error(capsys):
    status, out, err = typed(capsys, "papers", "clippped")
    assert (status, err) == (0, "")
    assert out == 'no card has the word "clippped" (did you mean "clipped"?)\n'
    assert typed(capsys, "papers", "clippped", "--json")[:2] == (0, "[]\n")
    out = typed(capsys, "papers", "proximal", "--kind", "survey", "--year", "1997")[1]
    assert "fewer words or filters" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--tier", "quik"), 'did you mean "quick"?'),
        (("--depth", "ful"), 'did you mean "full"?'),
        (("--status", "reproducd"), 'did you mean "reproduced"?'),
        (("--env", "HalfChetah"), 'did you mean "HalfCheetah"?'),
        (("--sort", "yaer"), 'did you mean "year"?'),
        (("--year", "1900"), "--year"),
        (("--year", "2018-2015"), "2015-2018"),
        (("--year", "recent"), "a year or a range"),
        (("???",), "letters or digits"),
        (("--topick", "x"), 'did you mean "--topic"?'),
    ],
)
def test_wrong_filters_get_one_line(capsys, arguments, expected):
    status, out, err = typed(capsys, "papers", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert expected in err


def test_years_are_a_year_or_a_range():
    assert years("2017") == (2017, 2017)
    assert years("2015-2017") == years("2015..2017") == years("2015–2017") == (2015, 2017)
    assert (years("2018-")[0], years("-2009")[1]) == (2018, 2009)
    for wrong in ("", "-", "17", "2015-16", "2015-2016-2017"):
        with pytest.raises(ReproError):
            years(wrong)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_the_terminal(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for arguments in ((), ("--env", "HalfCheetah"), ("--kind", "theory")):
        lines = typed(capsys, "papers", *arguments)[1].splitlines()
        assert max(map(len, lines)) <= columns


def test_a_pipe_gets_whole_titles(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    out = typed(capsys, "papers")[1]
    assert all(entry["title"] in out for entry in open_index().entries)


def test_a_card_that_cannot_be_read_is_told_and_the_rest_is_listed(tmp_path):
    root = tools.make_clone(tmp_path)
    card = root / "papers/gae-2015.yaml"
    card.write_text(card.read_text().replace("kind: algorithm", "kind: algoritm"))
    done = tools.repro("papers", "--json", root=root)
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) == 105
    assert "papers/gae-2015.yaml" in done.stderr
    assert done.stderr.count("\n") == 1
    shown = tools.repro("show", "gae", root=root)
    assert (shown.returncode, shown.stderr.count("\n")) == (2, 1)
    assert tools.repro("cite", "gae", root=root).returncode == 2
    assert tools.repro("cite", "ppo", root=root).returncode == 0


# show


@pytest.mark.parametrize("card_id", card_ids())
def test_every_page_has_its_claims_ablations_and_gotchas(capsys, monkeypatch, card_id):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = typed(capsys, "show", card_id)
    assert (status, err) == (0, "")
    card, flat = load_card(card_id), " ".join(out.split())
    for claim in card.claims:
        assert claim.id in flat
        assert " ".join(claim.says.rstrip(".").split()) in flat
        assert " ".join(claim.source.split()) in flat
    for words in (
        card.title, card.summary, *card.authors, *card.ablations, *load_sets(card_id),
        *(gotcha.says for gotcha in card.gotchas), *card.notes, *card.builds_on,
        *(thread for gotcha in card.gotchas for thread in gotcha.threads),
    ):  # fmt: skip
        assert " ".join(words.split()) in flat
    words = [word for line in out.splitlines() if len(line) > 80 for word in line.split()]
    assert all(len(word) > 40 for word in words if len(word) > 80)


def test_a_page_says_what_builds_on_the_paper(capsys):
    out = " ".join(typed(capsys, "show", "trpo")[1].split())
    built = re.search(r"Built upon by ([^.]*)\.", out)
    assert built
    for child in built[1].split(", "):
        assert "trpo-2015" in load_card(child).builds_on
    assert "ppo-2017" in built[1]
    document = json.loads(typed(capsys, "show", "trpo", "--json")[1])
    assert document["built_upon_by"] == built[1].split(", ")


@pytest.mark.parametrize("name", ["ppo-2017", "PPO", "ppo", "vpg", "a2c", "dqn", "ddpg", "sac"])
def test_people_type_short_names(capsys, name):
    assert typed(capsys, "show", name)[0] == 0


def test_a_figure_that_is_only_shown_has_no_answer(capsys):
    _, out, _ = typed(capsys, "show", "td3-2018")
    lines = out.splitlines()
    (row,) = (n for n, line in enumerate(lines) if line.startswith("  halfcheetah-table-1 "))
    assert lines[row].split()[-1] == "–"
    assert any("shown, not judged" in line for line in lines[row + 1 : row + 4])


def test_every_set_is_shown_with_each_value_source_and_status(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for card_id in ("ppo-2017", "sac-2018", "td3-2018", "dqn-2013"):
        for name, hparam_set in load_sets(card_id).items():
            status, out, err = typed(capsys, "show", card_id, "--hparams", name)
            assert (status, err) == (0, "")
            flat = " ".join(out.split())
            for field, origin in hparam_set.provenance().items():
                assert re.search(rf"^  {re.escape(field)} ", out, re.MULTILINE), field
                assert " ".join(origin["source"].split()) in flat
                assert origin["status"] in flat


def test_the_learning_rate_of_sacs_authors_is_easily_found(capsys):
    """Issue 3: a newcomer finds it in under a minute."""
    page = typed(capsys, "show", "sac")[1]
    command = next(line for line in page.splitlines() if line.startswith("repro show sac"))
    out = " ".join(typed(capsys, *command.split()[1:])[1].split())
    assert re.search(r"step_size 0\.0003 .{0,80}\(learning rate\)", out)


def test_values_for_one_environment(capsys):
    arguments = ("show", "sac", "--hparams", "mujoco")
    assert "Differs" in typed(capsys, *arguments)[1]
    scale = [
        json.loads(typed(capsys, *arguments, *env, "--json")[1])["values"]["reward_scale"]
        for env in ((), ("--env", "Humanoid"))
    ]
    assert scale == [5, 20]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("ppo-2017", "--env", "Hopper"), "goes with --hparams"),
        (("sac", "--hparams", "mujoco", "--env", "Hoper"), 'did you mean "Hopper"?'),
        (("sac", "--hparams", "mujco"), 'did you mean "mujoco"?'),
        (("soft-actor"), "no paper"),
    ],
)
def test_wrong_pages_get_one_line(capsys, arguments, expected):
    arguments = (arguments,) if isinstance(arguments, str) else arguments
    status, out, err = typed(capsys, "show", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert expected in err


def test_values_are_written_as_people_write_them():
    assert plain({"kind": "constant", "value": 3e-4}) == "0.0003"
    assert plain({"kind": "clip", "range": 0.2}) == "clip(range: 0.2)"
    assert plain([64, 64]) == "64, 64"
    assert [plain(value) for value in (True, False, None, 1_000_000)] == [
        "yes", "no", "none", "1,000,000",
    ]  # fmt: skip
    assert clipped("a long title", 8) == "a long…"
    assert clipped("short", 8) == "short"


# cite


def test_citing_one_several_and_all(capsys):
    status, out, err = typed(capsys, "cite", "ppo", "trpo-2015", "ppo-2017")
    assert (status, err) == (0, "")
    assert re.findall(r"^@\w+\{(.*),$", out, re.MULTILINE) == ["ppo-2017", "trpo-2015"]
    out = typed(capsys, "cite", "--all")[1]
    assert re.findall(r"^@\w+\{(.*),$", out, re.MULTILINE) == [
        e["id"] for e in open_index().entries
    ]
    listed = json.loads(typed(capsys, "cite", "--all", "--json")[1])
    assert len(listed) == 105
    assert all(paper["bibtex"].startswith("@") for paper in listed)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "neither ids and --all"),
        (("--all", "ppo"), "both ids and --all"),
        (("pop-2017",), 'did you mean "ppo-2017"?'),
    ],
)
def test_wrong_citations_get_one_line(capsys, arguments, expected):
    status, out, err = typed(capsys, "cite", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert expected in err


# related


@pytest.mark.parametrize(
    ("idea", "paper"),
    [
        ("relabel goals in hindsight after the episode", "her-2017"),
        ("clip the probability ratio so the policy changes little", "ppo-2017"),
        ("the smaller of two critics against overestimation", "td3-2018"),
        ("predict a random network for exploration", "rnd-2018"),
        ("sample transitions by their TD error from the replay memory", "prioritized-replay-2015"),
        ("learn the distribution of returns on fifty one atoms", "c51-2017"),
        ("maximize entropy with an off-policy actor critic", "sac-2018"),
        ("learn reward from human preferences between clips", "human-preferences-2017"),
    ],
)
def test_an_idea_finds_its_paper_among_the_first_three(idea, paper):
    assert paper in [one.entry["id"] for one in open_index().related(idea, 3)]


def test_why_names_words_that_stand_there():
    for one in open_index().related("goals relabelled in hindsight", 5):
        assert one.score > 0
        assert one.why
        for held in one.why.values():
            assert set(held) <= {"goals", "relabelled", "hindsight"}
    best = open_index().related("hindsight")[0]
    assert best.why["title"] == ["hindsight"]


def test_words_are_shown_as_typed_and_authors_do_not_count():
    assert idea_words("Normalize the behaviour of the a AND") == {
        "normalise": "normalize", "behavior": "behaviour",
    }  # fmt: skip
    assert open_index().related("Schulman Haarnoja Fujimoto") == []


def test_related_prints_papers_and_why(capsys):
    status, out, err = typed(capsys, "related", "goals", "in", "hindsight", "--limit", "2")
    assert (status, err) == (0, "")
    assert out.startswith("■■■■■  her-2017 · Hindsight Experience Replay\n       title: hindsight")
    listed = json.loads(typed(capsys, "related", "goals in hindsight", "--json")[1])
    assert listed[0]["id"] == "her-2017"
    assert [one["score"] for one in listed] == sorted((o["score"] for o in listed), reverse=True)
    assert len(listed) == 10


def test_an_idea_that_no_card_shares_a_word_with(capsys):
    status, out, err = typed(capsys, "related", "qqxz zzyx")
    assert (status, out, err) == (0, "In no card: qqxz, zzyx.\n", "")
    assert typed(capsys, "related", "qqxz", "--json")[1] == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("of the",), "no telling word"),
        (("goals", "--limit", "0"), "--limit 0"),
        (("goals", "--limit", "x"), "--limit"),
        ((), "WORD"),
    ],
)
def test_wrong_ideas_get_one_line(capsys, arguments, expected):
    status, out, err = typed(capsys, "related", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert expected in err
