"""Random histories of a ref, told by hook, reflog and guesses in any order: in the end the ledger is git's reflog."""

import random
import uuid
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from farm.push import ZERO, Push
from tests.records import MAIN, Farm, oid

pytestmark = pytest.mark.redis
SEEDS = 60


class Ref:
    """A ref in git, and what the hooks have not reported yet."""

    def __init__(self, farm: Farm, dice: random.Random, letters: str, *, located: bool) -> None:
        self.farm, self.dice, self.letters, self.located = farm, dice, letters, located
        self.history: list[Push] = []
        self.unreported: list[int] = []

    @property
    def tip(self) -> str:
        return self.history[-1].new if self.history else ZERO

    @property
    def listed(self) -> list[Push]:
        """What its reflog lists."""
        return self.history

    def enter(self, *pushes: Push) -> None:
        self.farm.ledger.enter("thyme", pushes, {MAIN: [(push.old, push.new, push.line) for push in self.listed]})

    def move(self) -> None:
        new = oid(self.dice.choice(self.letters))
        if new != self.tip:
            line = f"1-{len(self.history)}" if self.located else ""
            self.history.append(Push(str(uuid.uuid4()), "thyme", MAIN, self.tip, new, line=line))
            self.unreported.append(len(self.history) - 1)

    def hook(self) -> None:
        if self.unreported:
            self.enter(self.history[self.unreported.pop(self.dice.randrange(len(self.unreported)))])

    def reflog(self) -> None:
        if self.located:
            self.enter(*(replace(push, id=str(uuid.uuid4()), source="reflog") for push in self.listed))

    def guess(self) -> None:
        known = self.farm.ledger.tips("thyme").get(MAIN, ZERO)
        if known != self.tip:
            push = Push(str(uuid.uuid4()), "thyme", MAIN, known, self.tip, source="ls-remote")
            self.farm.ledger.enter("thyme", [push])


@pytest.mark.parametrize("letters", ["ab", "abc", "abcdefgh"])
@pytest.mark.parametrize("located", [True, False])
def test_in_the_end_the_ledger_is_the_reflog(redis_client: Any, letters: str, located: bool) -> None:
    for seed in range(SEEDS):
        redis_client.flushall()
        farm, dice = Farm(redis_client), random.Random(seed)
        ref = Ref(farm, dice, letters, located=located)
        for _ in range(dice.randint(4, 16)):
            dice.choices([ref.move, ref.hook, ref.reflog, ref.guess], [5, 2, 1, 2])[0]()
        while ref.unreported:
            ref.hook()
        order = [farm.ledger.push(number) for number in farm.order()]
        assert [(push.old, push.new) for push in order] == [(push.old, push.new) for push in ref.history], seed
        assert farm.ledger.tips("thyme").get(MAIN, ZERO) == ref.tip, seed
        farm.logs.close()


class Branch(Ref):
    """One that is deleted and made anew at times: its reflog goes with it, and no deletion has a line in one."""

    clock = 1
    begin = 0

    @property
    def listed(self) -> list[Push]:
        return self.history[self.begin :]

    def move(self) -> None:
        gone = self.tip == ZERO
        new = oid(self.dice.choice(self.letters)) if gone or self.dice.random() > 0.35 else ZERO
        if new == self.tip:
            return
        self.clock += 1 if gone else self.dice.randint(0, 1)
        of_now = [push for push in self.listed if (push.old, push.new) == (self.tip, new)]
        equal = sum(push.line.startswith(f"{self.clock}-") for push in of_now)
        line = f"{self.clock}-{equal}" if new != ZERO else ""
        self.history.append(Push(str(uuid.uuid4()), "thyme", MAIN, self.tip, new, line=line))
        self.unreported.append(len(self.history) - 1)
        if new == ZERO:
            self.begin = len(self.history)


@pytest.mark.parametrize("letters", ["ab", "abc", "abcdefgh"])
def test_what_comes_late_of_an_earlier_life_is_behind_nothing_of_this_one(redis_client: Any, letters: str) -> None:
    for seed in range(SEEDS):
        redis_client.flushall()
        farm, dice = Farm(redis_client), random.Random(seed)
        ref = Branch(farm, dice, letters, located=True)
        for _ in range(dice.randint(4, 16)):
            dice.choices([ref.move, ref.hook, ref.reflog], [5, 2, 1])[0]()
        if ref.tip == ZERO:
            ref.move()
        while ref.unreported:
            ref.hook()
        order = [(push.old, push.new) for push in map(farm.ledger.push, farm.order())]
        pairs = [(push.old, push.new) for push in ref.history]
        assert order[ref.begin :] == pairs[ref.begin :], seed
        assert sorted(order) == sorted(pairs), seed
        assert farm.ledger.tips("thyme").get(MAIN, ZERO) == ref.tip, seed
        farm.logs.close()


def test_two_lives_of_a_branch_in_any_order(redis_client: Any) -> None:
    """All reports come when the second life has its whole reflog."""
    history = [("-a", "1-0"), ("ab", "2-0"), ("b-", ""), ("-c", "4-0"), ("cd", "5-0")]
    for order in permutations(range(5)):
        redis_client.flushall()
        farm = Farm(redis_client)
        pushes = [farm.push(*pair, line=line) for pair, line in history]
        log = {MAIN: [(push.old, push.new, push.line) for push in pushes[3:]]}
        numbers = {place: farm.ledger.enter("thyme", [pushes[place]], log)[0].number for place in order}
        assert farm.order()[3:] == [numbers[3], numbers[4]], order
        assert sorted(farm.order()) == sorted(numbers.values()), order
        assert farm.ledger.tips("thyme")[MAIN] == oid("d"), order
        farm.logs.close()


def test_a_branch_that_is_made_anew_of_the_same_commit(farm: Farm) -> None:
    """The reports come in order, when the second life has its whole reflog."""
    pushes = [farm.push(*pair, line=line) for pair, line in [("-d", "1-0"), ("d-", ""), ("-d", "3-0"), ("da", "3-0")]]
    log = {MAIN: [(push.old, push.new, push.line) for push in pushes[2:]]}
    numbers = [farm.ledger.enter("thyme", [push], log)[0].number for push in pushes]
    assert farm.order() == numbers
