"""Propagation: strike out candidates that can take part in no answer, before any search.

The components that a goal names, the framework and the virtual components form a small closed
network. Each has a list of candidates whose first is its absence, and a set of those still alive
kept as the bits of an integer. Each fact or requirement between two components becomes a table:
"if one of these is chosen, the other must be among those". Tables are applied until nothing
changes; whatever is struck, is struck for good.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from cudalock.records import NamedTuple
from cudalock.resolution.elements import Element
from cudalock.resolution.model import Candidate, Requirement
from cudalock.versions import accepts

ABSENT = 1
"""The bit of a component's absence: the first candidate of every domain."""

ANYTHING: Final = -1
"""Every choice, however many there are: an integer with all bits set."""

NOTHING: Final[frozenset[Element]] = frozenset()

Alive = dict[str, int]


def meeting(requirement: Requirement, inside: Callable[[str], int]) -> int:
    """Return what meets a requirement, as bits; `inside` returns what is inside one specifier."""
    if requirement.kind == "conflicts":
        return ABSENT
    mask = 0
    for specifier in requirement.specifiers or ("",):
        mask |= inside(specifier)
    return mask | ABSENT if requirement.kind == "constrains" else mask


class Domain:
    """The candidates of one component, absence first, and the sets of them by specifier."""

    def __init__(self, name: str, candidates: Iterable[Candidate]) -> None:
        self.name = name
        self.candidates: tuple[Candidate, ...] = (Candidate(name, None), *candidates)
        # One bit each, and absence is bit 0.
        self.all = (1 << len(self.candidates)) - 1
        self._masks: dict[str, int] = {}
        self._places: dict[Candidate, int] = {}
        self.columns: dict[str, dict[tuple[str, ...], int]] = {}
        """the candidates by their values of a label, as far as they have been looked at"""
        self.owners: dict[str, int] = {}
        """the candidates that a fact is about, by its id"""
        self.demands: dict[int, tuple[tuple[Requirement, int], ...]] = {}
        """what a demand of a fact requires, and for which candidates; by identity, since demands
        live as long as the matrix"""
        self.metadata_groups: tuple[tuple[Candidate, int], ...] | None = None
        """of the candidates with the same metadata one, and all of them"""
        self.filtered: tuple[tuple[frozenset[Element], int], ...] | None = None
        """of a wide problem, what rules candidates out before any fact"""
        self.versions: dict[str, int] = defaultdict(int)
        """the candidates by public version"""
        for position, candidate in self.real():
            self.versions[candidate.version or ""] |= 1 << position

    def real(self) -> Iterator[tuple[int, Candidate]]:
        """Every candidate but absence, with its position."""
        return enumerate(self.candidates[1:], 1)

    def place(self, candidate: Candidate) -> int:
        """The position of one of the candidates."""
        if not self._places:
            self._places = {each: place for place, each in enumerate(self.candidates)}
        return self._places[candidate]

    def members(self, mask: int) -> list[Candidate]:
        """The candidates of a set, in the order of the domain."""
        found = []
        while mask:
            bit = mask & -mask
            found.append(self.candidates[bit.bit_length() - 1])
            mask ^= bit
        return found

    def accepted(self, requirement: Requirement) -> int:
        """The candidates that meet a requirement."""
        return meeting(requirement, self.inside)

    def inside(self, specifier: str) -> int:
        """The candidates whose version is inside a specifier."""
        mask = self._masks.get(specifier)
        if mask is None:
            mask = 0
            # Only specifiers with a label tell builds of a version apart.
            versions = self._full_versions() if "+" in specifier else self.versions
            for version, positions in versions.items():
                if accepts(specifier, version):
                    mask |= positions
            self._masks[specifier] = mask
        return mask

    def _full_versions(self) -> dict[str, int]:
        found: dict[str, int] = defaultdict(int)
        for position, candidate in self.real():
            found[candidate.full_version] |= 1 << position
        return found


class RequirementTable:
    """The requirements of ``owner`` on ``other``, by one fact or by metadata, candidate by
    candidate.

    ``groups`` are pairs (candidates of owner, candidates of other that they accept); ``covered`` is
    every candidate of owner with a requirement. ``element`` is the fact or option, None for
    metadata, which cannot be left out.
    """

    __slots__ = ("covered", "element", "groups", "other", "owner")

    def __init__(self, owner: str, other: str, element: Element | None) -> None:
        self.owner = owner
        self.other = other
        self.element = element
        self.groups: list[tuple[int, int]] = []
        self.covered = 0

    def add(self, owners: int, accepted: int) -> None:
        self.groups.append((owners, accepted))
        self.covered |= owners


class Restriction(NamedTuple):
    """The candidates of one component that some elements of the question, together, allow.

    It holds while none of ``elements`` is left out.
    """

    component: str
    elements: frozenset[Element]
    allowed: int


class Strike(NamedTuple):
    """One step of a propagation: what lost candidates, by what, and what it had and kept."""

    component: str
    cause: RequirementTable | Restriction
    before: int
    after: int


class Network:
    """Domains, what restricts each, and the tables between them.

    Elements of the question named in ``off`` are left out: their restrictions and tables are
    ignored.
    """

    def __init__(
        self,
        domains: dict[str, Domain],
        tables: Sequence[RequirementTable],
        restrictions: Sequence[Restriction],
    ) -> None:
        self.domains = domains
        self.tables = tuple(tables)
        self.restrictions = tuple(restrictions)
        self._touching: dict[str, list[RequirementTable]] = defaultdict(list)
        for table in self.tables:
            self._touching[table.owner].append(table)
            if table.other != table.owner:
                self._touching[table.other].append(table)

    @property
    def elements(self) -> frozenset[Element]:
        """Every element of the question that this network knows."""
        found = {table.element for table in self.tables if table.element}
        return frozenset(found.union(*(each.elements for each in self.restrictions)))

    def alive(self, off: frozenset[Element] = NOTHING, trace: list[Strike] | None = None) -> Alive:
        """What may be chosen before propagation."""
        alive = {name: domain.all for name, domain in self.domains.items()}
        for each in self.restrictions:
            before = alive[each.component]
            if before & ~each.allowed and off.isdisjoint(each.elements):
                alive[each.component] = before & each.allowed
                if trace is not None:
                    trace.append(Strike(each.component, each, before, alive[each.component]))
        return alive

    def propagate(
        self, alive: Alive, off: frozenset[Element] = NOTHING, trace: list[Strike] | None = None
    ) -> str | None:
        """Strike, in ``alive``, what can take part in no answer, noting each step in ``trace``.

        Returns the first component left without a candidate, or None where each has one.
        """
        for name, mask in alive.items():
            if not mask:
                return name
        waiting = dict.fromkeys(alive)
        while waiting:
            changed = next(iter(waiting))
            del waiting[changed]
            for table in self._touching[changed]:
                if table.element in off:
                    continue
                for strike in _apply(table, alive):
                    if trace is not None:
                        trace.append(strike)
                    if not strike.after:
                        return strike.component
                    waiting[strike.component] = None
        return None


def _apply(table: RequirementTable, alive: Alive) -> list[Strike]:
    """Apply one table both ways."""
    owners, others = alive[table.owner], alive[table.other]
    strikes = []
    unsupported = 0
    for group, accepted in table.groups:
        # A candidate none of whose accepted partners is left can be in no solution.
        if not accepted & others:
            unsupported |= group
    if owners & unsupported:
        kept = owners & ~unsupported
        strikes.append(Strike(table.owner, table, owners, kept))
        alive[table.owner] = owners = kept
    # Only if every owner left requires something: absence, for one, allows anything of the other.
    if owners and not owners & ~table.covered:
        useful = 0
        for group, accepted in table.groups:
            if group & owners:
                useful |= accepted
        if others & ~useful:
            kept = others & useful
            strikes.append(Strike(table.other, table, others, kept))
            alive[table.other] = kept
    return strikes


def strikes_leading_to(components: Iterable[str], trace: Sequence[Strike]) -> list[Strike]:
    """The strikes that left of components what is left: walk back from the last, through what it
    depends on."""
    needed = set(components)
    strikes = []
    for strike in reversed(trace):
        if strike.component in needed:
            strikes.append(strike)
            if isinstance(strike.cause, RequirementTable):
                needed |= {strike.cause.owner, strike.cause.other}
    return strikes[::-1]
