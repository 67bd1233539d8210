"""Every kind of problem is on the page of errors, with its text."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import tracks2zarr
from support.pages import DOCS

SOURCE = Path(tracks2zarr.__file__).parent


def calls_with(parameter: str) -> Iterator[ast.expr]:
    """Yield every value that the source gives to a parameter, or a variable, of this name."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")]
    functions = [node for node in all_nodes(trees) if isinstance(node, ast.FunctionDef)]
    public = {name: n for name, n in positions(trees, parameter).items() if name[0] != "_"}
    for tree in trees:
        position = {**public, "Problem": -1, **positions([tree], parameter)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from given(node, parameter, position, functions)
            elif isinstance(node, ast.Assign):
                yield from assigned(node, parameter)


def all_nodes(trees: list[ast.Module]) -> Iterator[ast.AST]:
    for tree in trees:
        yield from ast.walk(tree)


def positions(trees: list[ast.Module], parameter: str) -> dict[str, int]:
    """Return the place of a parameter in each function and class that has it."""
    found = {}
    for node in all_nodes(trees):
        names = parameters_of(node)
        if parameter in names:
            assert isinstance(node, ast.FunctionDef | ast.ClassDef)
            found[node.name] = names.index(parameter)
    return found


def parameters_of(node: ast.AST) -> list[str]:
    """Return the names of the parameters of a function or of a class, without ``self``."""
    if isinstance(node, ast.FunctionDef):
        names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        return names[1:] if names[:1] == ["self"] else names
    if not isinstance(node, ast.ClassDef):
        return []
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            return parameters_of(child)
    fields = [child.target for child in node.body if isinstance(child, ast.AnnAssign)]
    return [target.id for target in fields if isinstance(target, ast.Name)]


def given(
    call: ast.Call, parameter: str, position: dict[str, int], functions: list[ast.FunctionDef]
) -> Iterator[ast.expr]:
    function = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    function = call.func.id if isinstance(call.func, ast.Name) else function
    if function not in position:
        return
    yield from (keyword.value for keyword in call.keywords if keyword.arg == parameter)
    place = position[function]
    if call.args and isinstance(call.args[0], ast.Starred):
        # what a function returns is spread over the arguments
        spread = call.args[0].value
        assert isinstance(spread, ast.Call)
        assert isinstance(spread.func, ast.Name)
        for made in (made for made in functions if made.name == spread.func.id):
            for node in ast.walk(made):
                if isinstance(node, ast.Return):
                    assert isinstance(node.value, ast.Tuple)
                    yield node.value.elts[place]
    elif 0 <= place < len(call.args):
        yield call.args[place]


def assigned(node: ast.Assign, name: str) -> Iterator[ast.expr]:
    for target in node.targets:
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=True))
        yield from (value for to, value in pairs if isinstance(to, ast.Name) and to.id == name)


def texts(value: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression may have, as regular expressions."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield re.escape(value.value)
    elif isinstance(value, ast.IfExp):
        yield from texts(value.body)
        yield from texts(value.orelse)
    elif isinstance(value, ast.JoinedStr):
        parts = [next(texts(p), "") if isinstance(p, ast.Constant) else ".+?" for p in value.values]
        yield "".join(parts)


KINDS = {re.sub(r"\\(.)", r"\1", text) for value in calls_with("kind") for text in texts(value)}


def test_every_kind_of_problem_is_on_the_page_of_errors() -> None:
    headings = re.findall(r"^### `(.+)`$", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == KINDS
    assert len(KINDS) > 70  # the search finds them


def test_every_text_of_a_problem_is_on_the_page_of_errors() -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    bold = re.findall(r"\*\*(.+?)\*\*", page)
    missing = [
        text
        for value in calls_with("what")
        for text in texts(value)
        if not any(re.search(text, line) for line in bold)
    ]
    assert not missing
