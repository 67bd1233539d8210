"""Why tasks wait in SLURM's queue, and what that means."""

from __future__ import annotations

import re

from tracks2zarr.slurm.client import TaskState

_NOTHING_TO_DO = "nothing to do"
_ASK = "ask the cluster's administrators"
_RERUN = "run 'slurm cancel', then 'slurm rerun' with"

#: What SLURM's reasons mean that may pass by themselves, or by a command of SLURM; the first
#: pattern that fits counts.
_PASSING = {
    "Priority": f"other jobs go first; {_NOTHING_TO_DO}",
    "Resources": f"the cluster is busy; {_NOTHING_TO_DO}",
    "JobArrayTaskLimit": f"as many tasks run as may at a time; {_NOTHING_TO_DO}",
    "BeginTime": "its time to begin has not come, or it was requeued and starts again soon",
    "Dependency": f"a job that it must follow has not ended; {_NOTHING_TO_DO}",
    "Cleaning": f"its earlier attempt is being cleaned up; {_NOTHING_TO_DO}",
    "Prolog": f"its node is being prepared; {_NOTHING_TO_DO}",
    "NodesNotAvail|NodeDown": "the nodes that it needs are down",
    "ReqNodeNotAvail.*": "nodes that it needs are down, drained, or reserved, e.g. for maintenance;"
    " a shorter --time may fit before it",
    "Nodes required for job are DOWN.*": "nodes that it needs are down, drained, or reserved",
    "Reservation(Deleted)?": "it waits for its reservation",
    "Licenses": f"all licences are in use; {_NOTHING_TO_DO}",
    "Partition(Down|Inactive)": "its partition takes no jobs to run now; wait, or choose another",
    "FrontEndDown|SchedDefer|QOSJobLimit": f"SLURM holds it back for now; {_NOTHING_TO_DO}",
    "JobHeldUser": "held by you; 'scontrol release JOB' lets it go",
    "QOSMax.*Per(User|Account)(Limit)?": "you already run as much as your QOS allows; wait",
    "(QOS|Assoc)(Grp|Max).*RunMinutes.*": "running jobs use what your account may; wait",
    "QOSGrp(?!.*Minutes|Wall|Billing).*": "jobs of your QOS use all that they may together; wait",
    "AssocGrp(?!.*Minutes|Wall|Billing).*": "jobs of your account use all that they may together;"
    " wait",
    "AssocMax(Submit)?Jobs?Limit|AssociationJobLimit": "you already run as many jobs as your"
    " account allows; wait",
    "None": "",
}
#: Those that stay until somebody acts.
_STAYING = {
    "PartitionTimeLimit|TimeLimit": "it requests more time than its partition allows;"
    f" {_RERUN} a shorter --time",
    "(Assoc|QOS)MaxWall.*": f"it requests more time than your account allows; {_RERUN} a shorter"
    " --time",
    "(Assoc|QOS)?Max(Mem|Memory).*": "it requests more memory than it may;"
    f" {_RERUN} a smaller --mem",
    "(Assoc|QOS)?Max(Cpu|CPU).*": f"it requests more cores than it may; {_RERUN} fewer --cpus",
    "PartitionNodeLimit|PartitionConfig": "its partition does not take such a job;"
    f" {_RERUN} another --partition",
    "(Assoc|QOS)Grp.*": f"the budget of your account is used up; {_ASK}",
    "(Assoc|QOS)Max.*": f"it requests more than a job may; {_RERUN} smaller requests",
    "QOSMin.*|QOSUsageThreshold": f"its QOS does not take such a job; {_RERUN} another"
    " --sbatch=--qos",
    "BadConstraints": "no node has what it requests; cancel, and correct --sbatch=--constraint,"
    " --mem or --cpus",
    "Invalid(Account|QOS)|AccountNotAllowed|QOSNotAllowed": "its account or QOS may not be used"
    f" there; {_RERUN} the right --account",
    "DependencyNeverSatisfied": "a job that it must follow did not end as it should; run 'slurm"
    " cancel', then 'slurm rerun'",
    "JobHeldAdmin": f"held by an administrator; {_ASK}",
    "launch failed requeued held": "it could not be started on its node; 'scontrol release JOB'"
    f" tries again, or {_ASK}",
    "job requeued in held state": "it was requeued and held; 'scontrol release JOB' lets it go",
    "DeadLine|Deadline": f"it cannot end before its deadline; {_RERUN} a later one",
}


def stays_pending(reason: str) -> bool:
    """Tell whether a task that waits for this reason waits until somebody acts."""
    return _found(_PASSING, reason) is None and _found(_STAYING, reason) is not None


def pending_text(pending: TaskState, earlier: str | None) -> str:
    """Return what a task waits for, and what went wrong with an earlier attempt."""
    reason = pending.reason.strip()
    meaning = _found(_PASSING, reason)
    meaning = _found(_STAYING, reason) if meaning is None else meaning
    text = f"{reason} ({meaning})" if meaning else reason if meaning is None else ""
    before = f"before: {earlier}" if earlier else None
    return "; ".join(filter(None, [text or "queued", before]))


def _found(texts: dict[str, str], reason: str) -> str | None:
    """Return the text of the first pattern that a reason fits."""
    # versions of SLURM differ in case, and in blanks
    plain = reason.replace("_", " ").casefold()
    fits = (text for pattern, text in texts.items() if re.fullmatch(pattern.casefold(), plain))
    return next(fits, None)
