"""Files of records in all forms, damaged ones, and flat memory."""

import gzip
import io
import json
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.usage.records import read, records_of
from tests.usage.records_for_tests import envelope, record

FIVE = [record() for _ in range(5)]
LINES = "\n".join(json.dumps(r) for r in FIVE).encode()
FORMS = {
    "log file": envelope(*FIVE),
    "indented": json.dumps({"Records": FIVE}, indent=2).encode(),
    "list": json.dumps(FIVE).encode(),
    "indented list": json.dumps(FIVE, indent=2).encode(),
    "lines": LINES,
    "lines with an empty one and CRLF": LINES.replace(b"\n", b"\r\n\r\n") + b"\r\n",
    "LookupEvents": json.dumps({"Events": [{"EventId": "1", "CloudTrailEvent": json.dumps(r)} for r in FIVE]}).encode(),
    "LookupEvents, Events only": json.dumps([{"CloudTrailEvent": json.dumps(r)} for r in FIVE]).encode(),
}


def got(data):
    problems = []
    records = [r for batch in records_of(data, "f", problems) for r in batch]
    return records, [p.reason for p in problems]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_forms(form, pack):
    records, problems = got(pack(FORMS[form]))
    assert [r.eventID for r in records] == [r["eventID"] for r in FIVE]
    assert problems == []


def test_a_digest_file_holds_no_events():
    assert got(json.dumps({"logFiles": [], "digestEndTime": "x"}).encode()) == ([], [])


@pytest.mark.parametrize("data", [b"", b"  \n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_has_lost_its_events_unless_it_holds_lines(data):
    problems = []
    assert list(read(io.BytesIO(data), "a.json.gz", problems)) == []
    assert [(one.reason, one.message) for one in problems] == [("Truncated", "the file is empty")]
    problems = []
    assert list(read(io.BytesIO(data), "a.jsonl", problems)) == []
    assert problems == []


def test_one_record():
    assert len(got(json.dumps(FIVE[0]).encode())[0]) == 1


def test_one_bad_record_never_loses_the_others():
    bad = [
        3,
        None,
        "x",
        [],
        record(eventName=None),
        record(eventSource=""),
        record(eventTime="yesterday"),
        record(userIdentity=7),
    ]
    for data in (envelope(*FIVE, *bad), "\n".join(json.dumps(r) for r in [*FIVE, *bad]).encode()):
        records, problems = got(data)
        assert len(records) == 13
        assert sum(r is None for r in records) == 8
        assert set(problems) == {"MalformedRecord"}
        assert len(problems) == 5, "the first few say what is wrong"


def test_truncated_gzip_is_reported_and_what_was_read_counts():
    packed = gzip.compress(envelope(*[record(userAgent=str(n) * 50) for n in range(2000)]))
    records, problems = got(packed[: len(packed) // 2])
    assert 0 < len(records) < 2000
    assert "Truncated" in problems


def test_broken_gzip_header_and_checksum():
    packed = bytearray(gzip.compress(LINES))
    packed[-6] ^= 0xFF
    assert got(bytes(packed))[1] == ["Truncated"], "what cannot be trusted is not read, and that is said"
    assert got(b"\x1f\x8b\x00")[1] == ["Truncated"]


def test_members_of_gzip_follow_each_other():
    assert len(got(gzip.compress(LINES + b"\n") + gzip.compress(LINES))[0]) == 10


def test_truncated_document():
    records, problems = got(envelope(*FIVE)[:-40])
    assert len(records) == 4
    assert problems == ["Malformed"]


@pytest.mark.parametrize(
    "data",
    [b"hello", b'{"Records": 3}', b'{"Records": null}', b"{}", b"[" * 100_000, b'{"Events": 3}', b"\xff\xfe{}", b"nul"],
)
def test_not_a_record_file(data):
    records, problems = got(data)
    assert not any(records)
    assert problems


MANY = [record(userAgent=str(n) * 40) for n in range(1500)]
IDS = [r["eventID"] for r in MANY]


def as_aws(*records):
    """A log file in CloudTrail's own spelling: each record begins with its version, nothing is indented."""
    parts = [json.dumps(r, separators=(",", ":")) for r in records]
    return b'{"Records":[' + ",".join(parts).encode() + b"]}"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_large_log_file_is_read_in_pieces(pack):
    data = as_aws(*MANY)
    batches = list(records_of(pack(data), "f"))
    assert [r.eventID for batch in batches for r in batch] == IDS
    assert len(batches) > 5
    assert max(map(len, batches)) < 500


@pytest.mark.parametrize("place", [0, 700, 1499])
def test_records_within_a_record_are_not_taken_for_records(place):
    inner = {"list": [{"a": 1}, *({"eventVersion": "1", "eventName": "n" * 1000} for _ in range(200))]}
    records = [*MANY[:place], MANY[place] | {"requestParameters": inner}, *MANY[place + 1 :]]
    found, problems = got(as_aws(*records))
    assert ([r.eventID for r in found], problems) == (IDS, [])


@pytest.mark.parametrize("place", [0, 700, 1499])
def test_a_bad_record_of_a_large_file_loses_no_other(place):
    found, problems = got(as_aws(*MANY[:place], MANY[place] | {"eventTime": 7}, *MANY[place + 1 :]))
    assert [r and r.eventID for r in found] == [*IDS[:place], None, *IDS[place + 1 :]]
    assert problems == ["MalformedRecord"]


@pytest.mark.parametrize("place", [400, 400_000, -5_000, -1])
def test_damage_within_a_large_file_leaves_what_is_before_it(place):
    data = as_aws(*MANY)
    data = data[:place] + b"\0" + data[place:]
    found, problems = got(gzip.compress(data))
    before = data[:place].count(b'"eventVersion"') - (place != -1)
    assert [r.eventID for r in found] == IDS[:before]
    assert problems == ["Malformed"]


def test_large_documents_may_be_lines():
    assert [r.eventID for r in got(as_aws(*MANY) + b"\n" + as_aws(*MANY) + b"\n")[0]] == IDS * 2


def test_unknown_members_and_nulls_do_not_matter():
    data = envelope(record(new={"a": [1]}, errorCode=None, userIdentity={"type": "Root", "sessionContext": None}))
    assert got(data)[0][0].userIdentity.type == "Root"


@given(st.binary(max_size=300))
def test_no_bytes_crash(data):
    got(data)
    got(b"\x1f\x8b" + data)
    got(envelope(*FIVE)[: len(data)] + data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda s: (
            st.lists(s, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["Records", "Events", "eventName", "eventSource", "eventTime", "userIdentity", "CloudTrailEvent"]
                ),
                s,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_crashes(value):
    got(json.dumps(value).encode())


@pytest.mark.slow
@pytest.mark.parametrize("form", ["lines", "log file"])
def test_memory_stays_flat(form):
    rng = random.Random(3)
    records = [record(userAgent=f"{rng.getrandbits(4000):x}") for _ in range(12_000)]
    text = as_aws(*records) if form == "log file" else b"\n".join(json.dumps(r).encode() for r in records)
    data, whole = gzip.compress(text, 1), len(text)
    del records, text
    tracemalloc.start()
    count = sum(len(batch) for batch in read(io.BytesIO(data), "f", []))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 12_000
    assert peak < whole / 5
