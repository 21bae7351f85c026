"""Random histories of a ref, told by hook, reflog and guesses in any order: in the end the ledger is git's reflog."""

import random
import uuid
from dataclasses import replace
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

    def enter(self, *pushes: Push) -> None:
        self.farm.ledger.enter("thyme", pushes, {MAIN: [(push.old, push.new) for push in self.history]})

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
            self.enter(*(replace(push, id=str(uuid.uuid4()), source="reflog") for push in self.history))

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


def test_a_branch_that_is_made_anew(farm: Farm) -> None:
    """Its reflog begins anew, and the reports come when it already has."""
    pairs = ("-d", "d-", "-d", "da")
    numbers = [farm.enter(farm.push(*pair), reflog="-d da")[0] for pair in pairs]
    assert farm.order() == numbers
