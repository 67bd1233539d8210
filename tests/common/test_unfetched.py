"""Files whose content was not fetched, in every form that git-annex and Git LFS leave."""

from pathlib import Path

import pytest

from tracks2zarr.common.unfetched import annex_problem

KEY = "SHA256E-s812--b1dc6e9b02676a46.csv"
OBJECT = f".git/annex/objects/K8/Q6/{KEY}/{KEY}"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "kind", "found"),
    [
        (f"/annex/objects/{KEY}\n", "annex-pointer", "a git-annex pointer"),
        (OBJECT, "annex-pointer", "the text of a link of git-annex"),
        (f"../../{OBJECT}\n", "annex-pointer", "the text of a link of git-annex"),
        (
            f"../.git/modules/data/annex/objects/{KEY}",
            "annex-pointer",
            "the text of a link of git-annex",
        ),
        (LFS, "lfs-pointer", "a Git LFS pointer"),
    ],
)
def test_pointers(content: str, kind: str, found: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    problem = annex_problem(path)
    assert problem is not None
    assert (problem.kind, problem.found) == (kind, found)
    command = "git lfs pull --include a.csv" if kind == "lfs-pointer" else "git annex get a.csv"
    assert command in (problem.remedy or "")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "a",
        "video_name,loop_clip_name\n",
        f"{OBJECT},1\nb,2\n",
        f"file\n{OBJECT}\n",
        "version 1\n",
        f"# {OBJECT}",
        f"/annex/objects/{KEY}\n".replace("/annex", "annex"),
    ],
)
def test_other_small_files(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    assert annex_problem(path) is None


def test_links(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.symlink_to(OBJECT)
    problem = annex_problem(path)
    assert problem is not None
    assert problem.kind == "dangling-link"
    (tmp_path / OBJECT).parent.mkdir(parents=True)
    (tmp_path / OBJECT).write_text("content")
    assert annex_problem(path) is None
