"""What docs/doctor.md says was found is what the committed files say."""

from __future__ import annotations

from repro.doctor import page
from repro.doctor.findings import Finding


def test_the_table_is_that_of_the_committed_results():
    assert page.stored() == page.table(), "run `python -m repro.doctor.page`, and commit the page"


def test_a_row_says_what_was_found_and_what_was_not_looked_at():
    found = [
        Finding("kl-spikes", "warns", "largest 3.4 nats", [3], "1 nat"),
        Finding("dead-units", "warns", "90%", range(6), "50%"),
        Finding("gradients-clipped", "note", "13 times the bound", [1, 2], "no more"),
        Finding("diverged", "clean", "2 seeds ran to their end", [], "no seed"),
        Finding("reward-scale", "not looked at", "no log", [], "none"),
    ]
    assert page.row("a/b/c", found, 10) == (
        "| a/b/c | `kl-spikes`: largest 3.4 nats (seed 3)<br>`dead-units`: 90% (6 of 10 seeds) "
        "| `gradients-clipped`: 13 times the bound (seeds 1, 2) | 1 of 5 rules |"
    )
    assert page.row("a/b/c", found[3:4], 10) == "| a/b/c | – | – | 0 of 1 rules |"
