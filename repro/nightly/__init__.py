"""Nightly reproduction: what to run in so many hours, whether anything got worse, and the report.

    wanted.py    cards → the experiments that their claims call for
    standing.py  where each of them stands in `results/` and in the nights before
    cost.py      how long a job takes, from earlier runs
    schedule.py  which jobs, in which order, within the budget
    alarms.py    when a check says that something got worse, and how often it says so wrongly
    night.py     the plan of a night, its seeds; history
    carry.py     one job: train, compare
    collect.py   merge, judge, report what changed
    smoke.py     the whole night in a clone of its own, in a minute

Schedule, cost and alarms are pure; the rest reads files, calls the launcher, writes results.
"""
