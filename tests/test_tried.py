"""The pairs of `bench.tried` are about facts that refuse them, and those facts say so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bench.installed import find_interpreter
from bench.tried import Environment, Pair, read_environments, try_environment
from cudalock.matrix.matrix import Matrix
from cudalock.versions import accepts

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PAIRS = [(row, pair) for row in read_environments() for pair in row.pairs]


def versions(environment: Environment, pair: Pair) -> dict[str, str]:
    """The exact pins of an environment, and of a pair over it."""
    requirements = map(Requirement, (*environment.install.split(), *pair.install.split()))
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement in requirements
        if str(requirement.specifier).startswith("==")
    }


@pytest.mark.parametrize(
    ("environment", "pair"), PAIRS, ids=[f"{pair.fact} {pair.install}" for _, pair in PAIRS]
)
def test_a_pair_is_what_its_fact_refuses(
    environment: Environment, pair: Pair, matrix: Matrix
) -> None:
    fact = matrix.fact(pair.fact)
    assert fact.is_hard
    assert fact.basis == "tried"
    compile(pair.program, pair.fact, "exec")
    pinned = versions(environment, pair)
    if pair.fails:
        assert fact.component in pinned
        assert not fact.versions or accepts(fact.versions, pinned[fact.component])


def test_each_fact_that_was_tried_is_refused_somewhere() -> None:
    tried = {pair.fact for _, pair in PAIRS}
    assert tried == {pair.fact for _, pair in PAIRS if pair.fails}


@pytest.mark.skipif(find_interpreter(HERE) is None, reason="no such Python on PATH")
def test_what_is_not_as_stated_is_told(tmp_path: Path) -> None:
    stated = [
        (Pair("fact", "", "pass"), None),
        (Pair("fact", "", "raise ImportError('undefined symbol: x')", "undefined symbol"), None),
        (Pair("fact", "", "import os; os.abort()", "signal 6"), None),
        (Pair("fact", "", "raise SystemExit('other')", "undefined"), "fails otherwise: other"),
        (Pair("fact", "", "pass", "undefined symbol"), "works"),
        (Pair("fact", "", "raise SystemExit('other')"), "does not work: other"),
    ]
    pairs = tuple(pair for pair, _ in stated)
    assert try_environment(Environment(HERE, "", pairs), tmp_path) == stated
