"""Who waits for a pass reads how far it is, now and then."""

from structlog.testing import capture_logs

from plumbline.operator.progress import EVERY, Progress


def test_one_step_in_half_a_minute_is_told_to_everybody():
    now = 100.0
    progress = Progress("default", lambda: now)
    with capture_logs() as logs:
        for step in range(200):
            now = 100.0 + step * EVERY / 50
            progress(f"account {step}")
    told = [(one["seconds"], one["text"]) for one in logs if one["log_level"] == "info"]
    assert told == [(30, "account 50"), (60, "account 100"), (90, "account 150")]
    assert {one["landscape"] for one in logs} == {"default"}
    assert len(logs) == 200


def test_a_short_pass_adds_nothing():
    with capture_logs() as logs:
        Progress("default", lambda: 0.0)("account 1")
    assert [one["log_level"] for one in logs] == ["debug"]
