"""Whether a day has events that whoever reads the logs must see, told by the digests and log files in its folders."""

import gzip
from datetime import UTC, date, datetime, timedelta

import pytest

from plumbline.api.sources import CloudTrailLogs
from plumbline.usage.digest_days import DayProof, proven_day
from plumbline.usage.log_source import log_source
from tests.usage.test_digests import ACCOUNT, digest

DAY, REGION = date(2026, 6, 20), "us-east-1"
BEGIN = datetime(2026, 6, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
WHOLE = ((BEGIN, BEGIN + HOUR),)


def key(day, time):
    """Of a log file in the folder of a day, delivered at a time."""
    return f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/{day}/{ACCOUNT}_CloudTrail_{REGION}_{time}Z_abc.json.gz"


@pytest.fixture
def proof(tmp_path):
    """Of the day, of which one digest names these log files; `lost` ones are not there."""

    def proof(*names, lost=()):
        folder = tmp_path / f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2026/06/20"
        folder.mkdir(parents=True)
        said = digest(BEGIN, BEGIN + HOUR, *names)
        name = f"{ACCOUNT}_CloudTrail-Digest_{REGION}_all_{REGION}_20260620T010000Z.json.gz"
        (folder / name).write_bytes(gzip.compress(said))
        for path in (tmp_path / name for name in names if name not in lost):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        arn = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/all"
        source = log_source(CloudTrailLogs.model_validate({"name": "logs", "folder": str(tmp_path), "trailArn": arn}))
        return proven_day(source, ACCOUNT, REGION, DAY)

    return proof


@pytest.mark.parametrize(
    ("names", "logged"),
    [
        ((), False),
        ((key("2026/06/20", "20260620T0105"),), True),
        ((key("2026/06/20", "20260620T2355"),), True),
        ((key("2026/06/20", "20260620T0010"),), False),  # perhaps nothing but events of the day before
        ((key("2026/06/20", "20260620T0010"), key("2026/06/20", "20260620T0105")), True),
        ((key("2026/06/19", "20260619T2355"),), False),
        ((f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/06/20/named-otherwise.json.gz",), True),
    ],
)
def test_a_day_is_logged_if_its_folder_has_a_file_of_its_own(proof, names, logged):
    assert proof(*names) == DayProof(WHOLE, logged)


def test_a_lost_file_proves_no_hour_and_was_there(proof):
    name = key("2026/06/20", "20260620T0105")
    assert proof(name, lost=(name,)) == DayProof((), logged=True)
