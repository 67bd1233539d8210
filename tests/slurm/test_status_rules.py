"""The table of rules that decides the state of a video, rule by rule and in its order."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tracks2zarr.common.problems import Problem
from tracks2zarr.slurm import status_rules as rules
from tracks2zarr.slurm.client import TaskId, TaskState
from tracks2zarr.slurm.evidence import Evidence
from tracks2zarr.slurm.job_states import JobStates
from tracks2zarr.slurm.status_rules import RULES, Rule, decide
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import AttemptRecord, End, Place, Record
from tracks2zarr.store.video_state import State

TASK: TaskId = ("7", 2)
HERE, THERE = "here", "there"
PROBLEM = Problem(kind="memory", what="There is too little memory.")


def record(task: TaskId = TASK, **fields: Any) -> Record:
    """Return the record of one attempt of 8 seconds, which began on another machine."""
    job, number = task
    place = Place(THERE, job or None, number)
    attempt = AttemptRecord(number=3, place=place, process=1, started=time(0))
    return Record("v", (replace(attempt, **fields),))


def time(seconds: int) -> str:
    return f"2024-01-01T00:00:{seconds:02d}+00:00"


def queue(state: str, reason: str = "", **fields: Any) -> JobStates:
    return JobStates(queue={TASK: TaskState(state, reason, **fields)})


SILENT = JobStates(unanswered="squeue gave no answer")
UNKNOWN_TASK = JobStates(accounting={})


@dataclass(frozen=True)
class Case:
    """Evidence that one rule decides, and some fields of the status that it returns."""

    rule: Rule
    evidence: Mapping[str, Any]
    state: State
    fields: Mapping[str, Any] = field(default_factory=dict)


CASES = [
    Case(rules.receipt_is_current, {"receipt": True}, State.DONE, {"why": None, "job": None}),
    Case(
        rules.receipt_is_current,
        {"receipt": True, "record": record(end=End.DONE)},
        State.DONE,
        {"job": "7", "task": 2, "node": THERE, "attempt": 3},
    ),
    Case(
        rules.queue_runs_recorded_attempt,
        {"record": record(), "job_states": queue("RUNNING", node="elsewhere")},
        State.RUNNING,
        {"node": THERE, "seconds": 8.0, "attempt": 3},
    ),
    Case(
        rules.queue_has_task,
        {"submitted_tasks": (TASK,), "job_states": queue("RUNNING", node="n1")},
        State.RUNNING,
        {"job": "7", "task": 2, "node": "n1", "seconds": None, "why": None},
    ),
    Case(
        rules.queue_has_task,
        {"record": record(end=End.LOST, why="It was killed."), "job_states": queue("PENDING")},
        State.PENDING,
        {"why": "queued; before: It was killed.", "attempt": 3, "cause": None},
    ),
    Case(
        rules.queue_has_task,
        {"submitted_tasks": (TASK,), "job_states": queue("PENDING", "Resources")},
        State.PENDING,
        {"why": "Resources (the cluster is busy; nothing to do)", "cause": "Resources"},
    ),
    Case(rules.lock_is_held, {"is_locked": True}, State.RUNNING, {"job": None}),
    Case(rules.lock_is_held, {"is_locked": True, "record": record()}, State.RUNNING, {"job": "7"}),
    Case(
        rules.record_is_done,
        {"record": record(end=End.DONE), "receipt": True, "is_superseded": True},
        State.DONE,
    ),
    Case(
        rules.record_is_done,
        {"record": record(end=End.DONE), "group_state": State.MISSING},
        State.MISSING,
        {"why": "Its group is gone, or was changed.", "job": None},
    ),
    Case(
        rules.record_is_done,
        {"record": record(end=End.DONE), "group_state": State.PENDING},
        State.PENDING,
        {"why": "Its plan has changed since it was done."},
    ),
    Case(
        rules.record_is_failed,
        {"record": record(end=End.FAILED, why="No memory.", problems=(PROBLEM,))},
        State.FAILED,
        {"why": "No memory.", "cause": "OUT_OF_MEMORY", "problems": (PROBLEM,)},
    ),
    Case(
        rules.record_is_lost,
        {"record": record(end=End.LOST, why="It was killed.", cause="TIMEOUT")},
        State.FAILED,
        {"why": "It was killed.", "cause": "TIMEOUT"},
    ),
    Case(
        rules.record_is_lost,
        {"record": record(end=End.LOST, process=0, cause="CANCELLED")},
        State.CANCELLED,
        {"cause": "CANCELLED", "seconds": None},
    ),
    Case(
        rules.record_is_lost,
        {"record": record(end=End.LOST, why="It was cancelled.", cause="CANCELLED")},
        State.CANCELLED,
        {"cause": "CANCELLED", "seconds": 8.0},
    ),
    Case(
        rules.record_is_lost,
        {"record": record(end=End.LOST, process=0, why="No trace.")},
        State.MISSING,
        {"cause": None, "why": "No trace."},
    ),
    Case(
        rules.record_is_lost,
        {"record": record(end=End.LOST, process=0), "job_states": queue("CANCELLED")},
        State.CANCELLED,
        {"cause": "CANCELLED", "why": "It was cancelled."},
    ),
    Case(
        rules.slurm_ended_attempt,
        {"record": record(), "job_states": queue("TIMEOUT")},
        State.FAILED,
        {"why": "It ran into its time limit.", "cause": "TIMEOUT"},
    ),
    Case(
        rules.slurm_ended_attempt,
        {"record": record(), "job_states": queue("FAILED", "exit 1:0")},
        State.FAILED,
        {"why": "It ended with exit status 1; see its log.", "cause": "FAILED"},
    ),
    Case(
        rules.slurm_ended_attempt,
        {
            "record": record(),
            "job_states": queue("FAILED", "exit 0:9", peak_memory=95),
            "requested_memory": 100,
        },
        State.FAILED,
        {"cause": "OUT_OF_MEMORY", "peak_memory": 95},
    ),
    Case(
        rules.slurm_ended_attempt,
        {
            "record": record(),
            "job_states": queue("OUT_OF_MEMORY", peak_memory=61 * 2**20),
            "requested_memory": 64 * 2**20,
        },
        State.FAILED,
        {
            "why": "It needed more memory than the 64 MiB that it requested (it had used 61 MiB"
            " when it was killed)."
        },
    ),
    Case(
        rules.slurm_ended_attempt,
        {
            "record": record(),
            "job_states": queue("TIMEOUT", elapsed="00:11:25"),
            "requested_minutes": 11,
        },
        State.FAILED,
        {"why": "It ran into its time limit of 11 minutes.", "cause": "TIMEOUT"},
    ),
    Case(
        rules.slurm_ended_attempt,
        {"record": record(end=End.STOPPED, why="A signal."), "job_states": queue("CANCELLED")},
        State.CANCELLED,
        {"why": "It was cancelled.", "cause": "CANCELLED"},
    ),
    Case(
        rules.record_is_stopped,
        {"record": record(end=End.STOPPED, why="A signal."), "job_states": UNKNOWN_TASK},
        State.FAILED,
        {"why": "A signal."},
    ),
    Case(
        rules.record_is_stopped,
        {"record": record(end=End.STOPPED, why="A signal."), "job_states": SILENT},
        State.UNKNOWN,
        {"why": "A signal. It may be in the queue again."},
    ),
    Case(
        rules.attempt_was_killed,
        {"record": record(), "job_states": UNKNOWN_TASK},
        State.FAILED,
        {"why": "It was killed, and nobody knows why."},
    ),
    Case(
        rules.attempt_was_killed,
        {"record": record(place=Place(HERE, *TASK)), "job_states": SILENT},
        State.FAILED,
    ),
    Case(rules.attempt_is_silent, {"record": record(), "job_states": SILENT}, State.UNKNOWN),
    Case(rules.attempt_is_silent, {"record": record(("", None))}, State.UNKNOWN),
    Case(
        rules.create_failed,
        {"failure": (PROBLEM,)},
        State.FAILED,
        {"why": PROBLEM.what, "problems": (PROBLEM,)},
    ),
    Case(
        rules.nothing_was_submitted,
        {},
        State.PENDING,
        {"why": "Not submitted, or no task has begun."},
    ),
    Case(
        rules.slurm_ended_unstarted_task,
        {"submitted_tasks": (TASK,), "job_states": queue("CANCELLED")},
        State.CANCELLED,
        {"why": "It was cancelled before it began.", "cause": "CANCELLED", "task": 2},
    ),
    Case(
        rules.slurm_ended_unstarted_task,
        {"submitted_tasks": (TASK,), "job_states": queue("NODE_FAIL", node="n1")},
        State.FAILED,
        {"cause": "NODE_FAIL", "node": "n1"},
    ),
    Case(
        rules.slurm_has_no_task,
        {"submitted_tasks": (("6", 0), TASK), "record": record(("6", 0), end=End.FAILED)},
        State.MISSING,
        {"job": "7", "task": 2, "attempt": 3},
    ),
    Case(
        rules.nothing_is_known,
        {"submitted_tasks": (TASK,), "job_states": SILENT},
        State.UNKNOWN,
        {"why": "It has left no word yet; SLURM cannot be asked."},
    ),
]


@pytest.fixture
def receipt(sample_store: Path) -> Receipt:
    found = Store.at(sample_store).read_receipt("04.09.2023-01-Right")
    assert found is not None
    return found


def evidence_of(given: Mapping[str, Any], receipt: Receipt) -> Evidence:
    given = {**given, "receipt": receipt if given.get("receipt") else None}
    return Evidence(video="v", index=5, hostname=HERE, time=time(8), **given)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule.__name__)
def test_rule(case: Case, receipt: Receipt) -> None:
    """It applies, no rule before it does, and its status is the one that counts."""
    evidence = evidence_of(case.evidence, receipt)
    status = case.rule(evidence)
    assert status is not None
    assert (status.video, status.index, status.state) == ("v", 5, case.state)
    assert {name: getattr(status, name) for name in case.fields} == case.fields
    before = RULES[: RULES.index(case.rule)]
    assert [rule.__name__ for rule in before if rule(evidence)] == []
    assert decide(evidence) == status


def test_every_rule_has_a_case_in_the_order_of_the_table() -> None:
    assert list(dict.fromkeys(case.rule for case in CASES)) == list(RULES)


def test_which_evidence_decides_where_all_of_it_differs(receipt: Receipt) -> None:
    """Taken away one by one: receipt, queue, lock, record, accounting, submission."""
    evidence = Evidence(
        video="v",
        index=0,
        receipt=receipt,
        job_states=JobStates(
            queue={TASK: TaskState("RUNNING")}, accounting={TASK: TaskState("TIMEOUT")}
        ),
        is_locked=True,
        record=record(end=End.FAILED, why="A row is broken."),
        submitted_tasks=(TASK,),
        failure=(PROBLEM,),
        hostname=HERE,
        time=time(8),
    )
    accounting = replace(evidence.job_states, queue={})
    for changes, rule in (
        ({}, rules.receipt_is_current),
        ({"receipt": None}, rules.queue_has_task),
        ({"job_states": accounting}, rules.lock_is_held),
        ({"is_locked": False}, rules.record_is_failed),
        ({"record": record()}, rules.slurm_ended_attempt),
        ({"record": None}, rules.slurm_ended_unstarted_task),
        ({"job_states": JobStates()}, rules.slurm_has_no_task),
        ({"submitted_tasks": ()}, rules.create_failed),
        ({"failure": ()}, rules.nothing_was_submitted),
    ):
        evidence = replace(evidence, **changes)
        assert next(one for one in RULES if one(evidence)) is rule


def test_an_older_task_that_ends_later_does_not_hide_a_newer_one() -> None:
    """A record counts if its task is the latest, or the latest one has a record, too."""
    older, newer = record(("6", 0), end=End.FAILED).last, record(end=End.LOST).last
    alone = Evidence(
        video="v", index=0, record=Record("v", (older,)), submitted_tasks=(("6", 0), TASK)
    )
    assert alone.conclusive_attempt is None
    both = replace(alone, record=Record("v", (newer, older)))
    assert both.conclusive_attempt == older
