"""Records that were delivered before are recognised within a window, in memory that does not grow."""

from plumbline.usage.repeats import NO_MARK, Memory


def test_a_mark_is_remembered_for_at_least_78_000_others():
    memory = Memory()
    memory.seen([1])
    for start in range(10, 78_000, 1000):
        assert memory.seen(range(start, start + 1000)) == []
    assert memory.seen([1, 5, 1, 20]) == [0, 2, 3]


def test_what_is_further_off_counts_again_and_is_forgotten():
    memory = Memory()
    memory.seen([1])
    for start in range(10, 500_000, 1000):
        memory.seen(range(start, start + 1000))
    assert memory.seen([1]) == []
    assert len(memory._recent) + sum(map(len, memory._older)) < 150_000


def test_what_has_no_mark_is_never_a_repetition():
    memory = Memory()
    assert memory.seen([NO_MARK, NO_MARK, 3]) == []
    assert memory.seen([NO_MARK, 3]) == [1]
