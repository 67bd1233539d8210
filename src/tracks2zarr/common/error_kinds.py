"""Which of Python's own exceptions each kind of problem is, so that ordinary code catches it."""

from __future__ import annotations

#: Kinds of problems by Python's exception; bad input, which most are, is a ValueError.
_KINDS: dict[type[Exception], str] = {
    KeyError: "no-such-video no-such-clip no-store-of-job",
    FileNotFoundError: "no-store no-tracks dangling-link annex-pointer merge-target group-missing"
    " source-absent object-store-missing lfs-pointer repository-missing no-such-file"
    " content-unavailable",
    FileExistsError: "store-exists not-confirmed not-a-store video-exists group-without-receipt"
    " clips-would-be-lost foreign-arrays foreign-group unverified-group merge-conflict"
    " script-exists export-exists published-otherwise draft-exists clone-in-the-way",
    PermissionError: "merge-read-only object-store-access repository-access",
    OSError: "metadata-unreadable tracks-dir videos-from tracks-unreadable video-unreadable disk"
    " disk-full too-many-open-files group-unreadable object-store repository-unreachable"
    " correct-folder",
    RuntimeError: "needs-posix memory no-video-left store-busy no-flock planned-otherwise"
    " video-busy store-moved clip-kept video-unfinished not-drawn merge-unfinished merge-busy"
    " stdout worker-killed workers source-changed store-differs group-metadata unexpected"
    " slurm-unanswered memory-low slurm-refused input-unchanged jobs-left store-queued"
    " archive-busy archive-replaced archive-damaged store-replaced not-finished other-plan"
    " content-changed metadata-changed"
    " receipt-differs one-reader-only extra-group extra-file stale-metadata extra-missing"
    " video-replaced program-missing repository-failed clone-changed clone-not-updated"
    " correct-changed correct-source correct-nothing-kept corrections-dropped",
    ValueError: "inside-store input-in-store plan-format store-root receipt-broken receipt-format"
    " schema-mixed output merge-twice merge-nested merge-damaged merge-unknown-group index-past-end"
    " log-folder prelude unverified url quick-only no-escape no-such-frames clip-query"
    " no-video-given repository url-with-password correct-format frames-past-end"
    " correct-other-clip correct-no-frames correct-outside-frames correct-none"
    " column-types-differ column-names-alike export-columns export-clips-gone export-confidence"
    " export-track export-formats",
}
#: By kind, for those that are named above.
PYTHON_KINDS = {kind: python for python, kinds in _KINDS.items() for kind in kinds.split()}

#: What was found where the system refused a file, in the words of all messages.
FOUND_WORDS: dict[type[OSError], str] = {
    FileNotFoundError: "nothing there",
    IsADirectoryError: "a folder",
    PermissionError: "no permission",
}


def python_kind(kind: str, found: str | None) -> type[Exception]:
    """Return which of Python's exceptions a problem is.

    Parameters
    ----------
    kind
        The kind of the problem.
    found
        What it says was found; of a file that cannot be read, that tells more than the kind.
    """
    python = PYTHON_KINDS.get(kind, ValueError)
    if python is OSError:
        return next((one for one, words in FOUND_WORDS.items() if words == found), OSError)
    return python
