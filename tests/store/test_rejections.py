"""Rejections of a namespace."""

from dataclasses import replace
from datetime import UTC, datetime

from plumbline.store.rejections import Rejection, rejections_of, remember_rejections

AT = datetime(2026, 6, 30, 10, tzinfo=UTC)
ONE = Rejection("arn:aws:iam::123456789012:role/app", "AROA1", "a" * 64, "jane", "needed", AT)


def test_the_last_rejection_of_each_role_is_kept_by_namespace(engine):
    other = replace(ONE, unique_id="AROA2", reason="")
    remember_rejections(engine, "pay", [ONE, other], [])
    assert rejections_of(engine, "pay") == {ONE.role: ONE, other.role: other}
    assert rejections_of(engine, "other") == {}
    later = replace(ONE, plan_digest="b" * 64)
    remember_rejections(engine, "pay", [later], [other.role])
    remember_rejections(engine, "other", [ONE], [ONE.role])
    assert rejections_of(engine, "pay") == {ONE.role: later}
    assert rejections_of(engine, "other") == {ONE.role: ONE}
    remember_rejections(engine, "pay", [], [])
    remember_rejections(engine, "pay", [], [("arn", "unknown")])
    assert rejections_of(engine, "pay") == {ONE.role: later}
