"""Propagation on small invented networks: what is struck out, in which order, and what is left."""

from __future__ import annotations

import itertools
import random

import pytest

from cudalock.matrix.facts import Verb
from cudalock.resolution.elements import TARGET_GPU, Element, fact_element
from cudalock.resolution.model import Candidate, Requirement
from cudalock.resolution.propagation import (
    ABSENT,
    Domain,
    Network,
    RequirementTable,
    Restriction,
    Strike,
)

NOWHERE = fact_element("invented")
A_GOAL = Element("goal", "a")
B_GOAL = Element("goal", "b")
A_B_FACT = fact_element("a-b")


def domain(name: str, *versions: str) -> Domain:
    return Domain(name, (Candidate(name, version) for version in versions))


def wants(name: str, specifier: str = "", kind: Verb = "requires") -> Requirement:
    return Requirement(name, (specifier,) if specifier else (), kind, NOWHERE)


def bits(domain: Domain, *versions: str | None) -> int:
    """The set of these candidates, None for the absent one."""
    return sum(
        1 << position
        for position, candidate in enumerate(domain.candidates)
        if candidate.version in versions
    )


def versions(domain: Domain, mask: int) -> list[str | None]:
    return [candidate.version for candidate in domain.members(mask)]


def asking(
    owner: Domain, version: str, other: Domain, wish: Requirement, element: Element | None = None
) -> RequirementTable:
    """The table of one candidate that asks for something."""
    table = RequirementTable(owner.name, other.name, element)
    table.add(bits(owner, version), other.accepted(wish))
    return table


def goal(domain: Domain, wish: Requirement, element: Element = A_GOAL) -> Restriction:
    return Restriction(domain.name, frozenset([element]), domain.accepted(wish))


# -- domains ------------------------------------------------------------------------------------


def test_absence_is_the_first_candidate() -> None:
    torch = domain("torch", "2.6", "2.5")
    assert torch.candidates[0].is_absent
    assert versions(torch, ABSENT) == [None]
    assert versions(torch, torch.all) == [None, "2.6", "2.5"]
    assert versions(torch, ABSENT << 1) == ["2.6"]


@pytest.mark.parametrize(
    ("wish", "accepted"),
    [
        (wants("torch"), ["2.6", "2.5.1", "2.5"]),
        (wants("torch", "<2.6"), ["2.5.1", "2.5"]),
        (wants("torch", "<2.6", "constrains"), [None, "2.5.1", "2.5"]),
        (wants("torch", "", "conflicts"), [None]),
        (wants("torch", "==2.4.*"), []),
        (wants("torch", "==2.4.*", "constrains"), [None]),
        (Requirement("torch", ("==2.5", "==2.6"), "requires", NOWHERE), ["2.6", "2.5"]),
    ],
)
def test_what_a_requirement_accepts(wish: Requirement, accepted: list[str | None]) -> None:
    torch = domain("torch", "2.6", "2.5.1", "2.5")
    assert versions(torch, torch.accepted(wish)) == accepted


# -- networks -----------------------------------------------------------------------------------


def test_a_strike_goes_both_ways() -> None:
    torch, fa2 = domain("torch", "2.6", "2.5"), domain("fa2", "2.8", "2.7")
    tables = [
        asking(fa2, "2.8", torch, wants("torch", "==2.6")),
        asking(fa2, "2.7", torch, wants("torch", "==2.5")),
    ]
    network = Network(
        {"torch": torch, "fa2": fa2},
        tables,
        [goal(fa2, wants("fa2")), goal(torch, wants("torch", "==2.5"))],
    )
    alive = network.alive()
    assert network.propagate(alive) is None
    assert versions(torch, alive["torch"]) == ["2.5"]
    assert versions(fa2, alive["fa2"]) == ["2.7"]


def test_one_table_strikes_what_none_of_its_owners_accepts() -> None:
    torch, fa2 = domain("torch", "2.7", "2.6", "2.5"), domain("fa2", "2.8", "2.7")
    table = RequirementTable("fa2", "torch", fact_element("minor"))
    table.add(bits(fa2, "2.8"), torch.accepted(wants("torch", "==2.6")))
    table.add(bits(fa2, "2.7"), torch.accepted(wants("torch", "==2.5")))
    network = Network({"torch": torch, "fa2": fa2}, [table], [goal(fa2, wants("fa2"))])
    alive = network.alive()
    assert network.propagate(alive) is None
    assert versions(torch, alive["torch"]) == ["2.6", "2.5"]


def test_an_owner_that_may_be_absent_asks_nothing_of_others() -> None:
    torch, fa2 = domain("torch", "2.6", "2.5"), domain("fa2", "2.8")
    table = asking(fa2, "2.8", torch, wants("torch", "==2.6"))
    network = Network({"torch": torch, "fa2": fa2}, [table], [])
    alive = network.alive()
    assert network.propagate(alive) is None
    assert alive == {"torch": torch.all, "fa2": fa2.all}


def test_a_chain_ends_in_the_component_that_has_nothing_left() -> None:
    a, b, c = domain("a", "1"), domain("b", "1"), domain("c", "2", "1")
    tables = [
        asking(a, "1", b, wants("b"), A_B_FACT),
        asking(b, "1", c, wants("c", "==2"), fact_element("b-c")),
    ]
    network = Network(
        {"a": a, "b": b, "c": c},
        tables,
        [goal(a, wants("a"), A_GOAL), goal(c, wants("c", "==1"), Element("goal", "c"))],
    )
    trace: list[Strike] = []
    alive = network.alive(trace=trace)
    empty = network.propagate(alive, trace=trace)
    assert empty is not None
    assert trace[-1].component == empty
    assert trace[-1].after == 0
    assert {"a", "c"} <= {strike.component for strike in trace}
    # Each step loses something and begins where the one before it on that component ended.
    left: dict[str, int] = {name: found.all for name, found in network.domains.items()}
    for strike in trace:
        assert strike.before == left[strike.component]
        assert strike.after < strike.before
        left[strike.component] = strike.after


@pytest.mark.parametrize("off", [A_B_FACT, A_GOAL, B_GOAL])
def test_what_is_left_out_strikes_nothing(off: Element) -> None:
    a, b = domain("a", "1"), domain("b", "2", "1")
    network = Network(
        {"a": a, "b": b},
        [asking(a, "1", b, wants("b", "==2"), A_B_FACT)],
        [goal(a, wants("a"), A_GOAL), goal(b, wants("b", "==1"), B_GOAL)],
    )
    assert network.elements == {A_B_FACT, A_GOAL, B_GOAL}
    assert network.propagate(network.alive()) is not None
    without = frozenset([off])
    assert network.propagate(network.alive(without), without) is None


def test_a_restriction_holds_only_with_all_its_elements() -> None:
    torch = domain("torch", "2.6")
    both = Restriction("torch", frozenset([fact_element("archs"), TARGET_GPU]), ABSENT)
    network = Network({"torch": torch}, [], [both])
    assert network.alive()["torch"] == ABSENT
    for element in both.elements:
        assert network.alive(frozenset([element]))["torch"] == torch.all


def test_metadata_cannot_be_left_out() -> None:
    a, b = domain("a", "1"), domain("b", "1")
    table = asking(a, "1", b, wants("b", "==2"), None)
    network = Network({"a": a, "b": b}, [table], [goal(a, wants("a"))])
    assert None not in network.elements
    assert network.propagate(network.alive()) == "a"


@pytest.mark.parametrize("seed", range(60))
def test_nothing_that_takes_part_in_an_answer_is_struck(seed: int) -> None:
    """Against trying everything out, on networks of three components drawn at random."""
    chance = random.Random(seed)
    domains = {name: domain(name, "3", "2", "1") for name in "abc"}
    tables = []
    for owner, other in itertools.permutations("abc", 2):
        table = RequirementTable(owner, other, None)
        for position in range(4):
            if chance.random() < 0.4:
                table.add(1 << position, chance.randrange(1, 16))
        tables.append(table)
    roots = [Restriction("a", frozenset([A_GOAL]), chance.randrange(1, 16))]
    network = Network(domains, tables, roots)
    answers = [
        chosen
        for chosen in itertools.product(range(4), repeat=3)
        if _holds(dict(zip("abc", chosen, strict=True)), tables, roots)
    ]
    alive = network.alive()
    if network.propagate(alive) is not None:
        assert answers == []
        return
    for chosen in answers:
        for name, position in zip("abc", chosen, strict=True):
            assert alive[name] & (1 << position)


def _holds(
    chosen: dict[str, int], tables: list[RequirementTable], roots: list[Restriction]
) -> bool:
    return all(each.allowed & 1 << chosen[each.component] for each in roots) and all(
        accepted & 1 << chosen[table.other]
        for table in tables
        for owners, accepted in table.groups
        if owners & 1 << chosen[table.owner]
    )
