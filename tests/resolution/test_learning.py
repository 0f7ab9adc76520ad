"""The search that learns: on small invented questions it finds what trying everything finds."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from resolvelib import ResolutionTooDeep

from cudalock.cli import main
from cudalock.resolution import provider
from cudalock.resolution.clauses import Clause, Learner, TooLong
from cudalock.resolution.propagation import ABSENT

Wish = tuple[str, int]
"""A name, and which choices of it meet the wish."""


class Query(NamedTuple):
    """Projects with a few versions, bits 1 and up, and what each asks of others."""

    versions: Mapping[str, int]
    wishes: Mapping[tuple[str, int], tuple[Wish, ...]]
    roots: tuple[Wish, ...]

    def answers(self) -> Iterator[dict[str, int]]:
        """Every choice that holds together, by trying all; nothing is there that nobody wants."""
        names = sorted(self.versions)
        every = [[1 << bit for bit in range(self.versions[name] + 1)] for name in names]
        for chosen in itertools.product(*every):
            answer = dict(zip(names, chosen, strict=True))
            wishes = [
                *self.roots,
                *(wish for each in answer.items() for wish in self.wishes.get(each, ())),
            ]
            wanted = {name for name, mask in wishes if not mask & ABSENT}
            if all(answer[name] & mask for name, mask in wishes) and all(
                bit == ABSENT or name in wanted for name, bit in answer.items()
            ):
                yield {name: bit for name, bit in answer.items() if bit != ABSENT}


class Asking:
    """The choices of a question: by name, the highest version first."""

    def __init__(self, question: Query) -> None:
        self._question = question
        self._told: set[tuple[str, int]] = set()
        self.tried: list[tuple[str, int]] = []

    def urgency(self, name: str, allowed: int) -> tuple[object, ...]:
        del allowed
        return (name,)

    def best(self, name: str, allowed: int) -> tuple[int, int]:
        there = allowed & ((2 << self._question.versions[name]) - 2)
        return (1 << there.bit_length() - 1, 0) if there else (0, allowed)

    def clauses_of(self, name: str, bit: int, chosen: Callable[[str], int]) -> Iterator[Clause]:
        del chosen
        if (name, bit) in self._told:
            return
        self._told.add((name, bit))
        self.tried.append((name, bit))
        for other, mask in self._question.wishes.get((name, bit), ()):
            terms = {name: bit, other: ~mask} if other != name else {name: bit & ~mask}
            if all(terms.values()):
                yield Clause(terms)


def learner(question: Query) -> Learner:
    made = Learner(Asking(question))
    for name, mask in question.roots:
        made.add(Clause({name: ~mask}))
    return made


def invented(seed: int) -> Query:
    chance = random.Random(seed)
    versions = {name: chance.randint(1, 3) for name in "abcdef"[: chance.randint(2, 6)]}

    def wish(of: str) -> Wish:
        name = chance.choice(sorted(versions.keys() - {of}))
        # Some wish for what no version meets.
        mask = chance.getrandbits(versions[name]) << 1
        if not mask and chance.random() < 0.5:
            mask = 2
        return name, mask | (ABSENT if chance.random() < 0.3 else 0)

    wishes = {
        (name, 1 << bit): tuple(wish(name) for _ in range(chance.randint(0, 3)))
        for name in versions
        for bit in range(1, versions[name] + 1)
    }
    roots = tuple(wish("") for _ in range(chance.randint(1, 3)))
    return Query(versions, wishes, roots)


def ordered(question: Query, answer: Mapping[str, int]) -> list[int]:
    return [answer.get(name, 0) for name in sorted(question.versions)]


@pytest.mark.parametrize("first", range(0, 2_000, 500))
def test_it_finds_an_answer_where_there_is_one(first: int) -> None:
    for seed in range(first, first + 500):
        question = invented(seed)
        every = list(question.answers())
        found = learner(question).search({}, 10_000)
        assert (found is None) == (not every), seed
        # What was chosen holds together; what nobody wants any more may have been left out.
        assert found is None or dict(found) in every, seed


@pytest.mark.parametrize("first", range(0, 1_000, 500))
def test_what_one_search_learns_holds_for_the_next(first: int) -> None:
    """Searched again under other assumptions, the answer is that of a search that begins anew."""
    for seed in range(first, first + 500):
        question = invented(seed)
        again = learner(question)
        chance = random.Random(seed)
        for _ in range(6):
            name = chance.choice(sorted(question.versions))
            assumed = {name: ABSENT | chance.getrandbits(question.versions[name]) << 1}
            assert again.search(assumed, 10_000) == learner(question).search(assumed, 10_000), seed


def test_what_a_choice_requires_holds_after_going_back_past_it() -> None:
    """`z` is the only one of its name, chosen after `a` and `d`. `zz` then rules out `a` beside
    `d`: the search goes back to `a`, and must not forget what `z` requires, which is given once."""
    question = Query(
        versions={"a": 2, "d": 2, "x": 3, "z": 1, "zs": 1, "zz": 1},
        wishes={
            ("a", 4): (("x", 2 | 4),),
            ("d", 4): (("x", 4 | 8),),
            ("z", 2): (("zs", 2),),
            ("zz", 2): (("x", 2 | 8),),
        },
        roots=(("a", 2 | 4), ("d", 2 | 4), ("z", 2), ("zz", 2)),
    )
    searched = learner(question)
    assert searched.search({}, 10) == {"a": 4, "d": 2, "x": 2, "z": 2, "zs": 2, "zz": 2}
    assert searched.dead_ends == 1


def test_the_same_question_has_the_same_answer() -> None:
    for seed in range(100):
        first, second = learner(invented(seed)), learner(invented(seed))
        assert first.search({}, 10_000) == second.search({}, 10_000)
        assert (first.made, first.dead_ends) == (second.made, second.dead_ends)


def pigeons(count: int) -> Query:
    """Projects that must all differ, with a version too few: to try all is a faculty."""
    names = [f"p{place:02}" for place in range(count)]
    wishes = {
        (name, 1 << bit): tuple(
            (other, ~(1 << bit) & ((2 << count - 1) - 2)) for other in names if other != name
        )
        for name in names
        for bit in range(1, count)
    }
    return Query(dict.fromkeys(names, count - 1), wishes, tuple((n, ~ABSENT) for n in names))


def test_a_proof_of_no_is_learned_once() -> None:
    asking = learner(pigeons(5))
    assert asking.search({}, 10_000) is None
    before = asking.dead_ends
    assert asking.search({}, 10_000) is None
    assert asking.dead_ends <= before + 1


def test_a_search_ends_though_there_is_no_end_in_sight() -> None:
    with pytest.raises(TooLong):
        learner(pigeons(9)).search({}, 50)


@pytest.mark.parametrize(
    "words",
    [
        "--torch 2.5.1 --fa2 --python 3.11 --platform linux",
        "torch xformers bitsandbytes --python 3.12 --platform windows",
        "--torch 2.6.0 --vision --audio --cuda 12.4 --python 3.10 --platform linux",
        "torch==2.7.0 --cuda cpu --python 3.12 --platform linux --platform macos",
        "--torch 2.5.1 --cudnn 9.1 --python 3.11 --platform windows",
        "flash-attn==2.7.4.post1 --exclude-newer 2025-03-01 --python 3.11 --platform linux",
        "torch[opt-einsum]==2.5.1 --python 3.11 --platform linux",
        "transformer-engine --python 3.11 --platform linux",
        "torch==2.4.1 deepspeed --python 3.10 --platform linux",
        "unsloth --python 3.11 --platform linux",
    ],
)
def test_it_has_the_same_lock_as_the_search_that_does_not_learn(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes over where that one goes round in circles, which no common goal does."""

    def too_deep(*given: object) -> None:
        raise ResolutionTooDeep(0)

    command = ["solve", "--offline", *words.split()]
    expected = CliRunner().invoke(main, command)
    monkeypatch.setattr(provider, "pin", too_deep)
    found = CliRunner().invoke(main, command)
    assert (found.exit_code, found.stdout, found.stderr) == (
        expected.exit_code,
        expected.stdout,
        expected.stderr,
    )
