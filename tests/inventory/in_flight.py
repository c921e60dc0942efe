"""Counts the calls that are under way, in all accounts together and in each of them."""

import threading
from collections import Counter

_PATIENCE = 20.0  # seconds, for a machine that is busy
_MOMENT = 0.5  # seconds, in which nothing must come


class InFlight:
    """Around a function that is called with `account`. The first calls are held until there are some in `side_by_side`
    accounts at once, and then for a moment more, in which one too many would come, of them or in another account."""

    def __init__(self, call, side_by_side):
        self._call, self._side_by_side = call, side_by_side
        self._changed = threading.Condition()
        self._now = Counter()
        self._held = True
        self.most_of_all, self.most_of_account = 0, Counter()

    def __call__(self, *given, account, **more):
        with self._changed:
            self._now[account] += 1
            self.most_of_account[account] = max(self.most_of_account[account], self._now[account])
            self.most_of_all = max(self.most_of_all, self._now.total())
            self._changed.notify_all()
            if self._held and sum(number > 0 for number in self._now.values()) == self._side_by_side:
                self._changed.wait_for(lambda: self._now.total() > self._side_by_side, _MOMENT)
                self._held = False
                self._changed.notify_all()
            assert self._changed.wait_for(lambda: not self._held, _PATIENCE), "the accounts wait for each other"
        try:
            return self._call(*given, account=account, **more)
        finally:
            with self._changed:
                self._now[account] -= 1
