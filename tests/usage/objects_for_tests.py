"""Objects in memory in the layout of CloudTrail, which count what is asked of them."""

import gzip
import io
import json
from datetime import UTC, datetime, timedelta

from plumbline.aws.errors import Denied
from plumbline.usage.objects import Listed
from tests.usage.records_for_tests import ACCOUNT, envelope

REGION = "eu-west-1"


class Memory:
    """Objects in memory that counts what is asked of it; `denied` prefixes cannot be listed, `broken` keys not read."""

    def __init__(self):
        self.objects, self.listed, self.read = {}, [], []
        self.denied, self.broken, self.killed = (), set(), set()

    def listing(self, prefix):
        if prefix.startswith(self.denied or ("-",)):
            raise Denied("no", service="s3", operation="ListObjectsV2")
        self.listed.append(prefix)
        return sorted(Listed(k, str(hash(v))) for k, v in self.objects.items() if k.startswith(prefix))

    def folders(self, prefix):
        return sorted({k[len(prefix) :].split("/")[0] for k in self.objects if k.startswith(prefix)})

    def open(self, key):
        if key in self.killed:
            raise KeyboardInterrupt
        if key in self.broken:
            raise OSError(5, "input/output error")
        self.read.append(key)
        return io.BytesIO(self.objects[key])

    def log(self, day, name, *records, account=ACCOUNT, region=REGION):
        key = f"AWSLogs/{account}/CloudTrail/{region}/{day:%Y/%m/%d}/{name}.json.gz"
        self.objects[key] = gzip.compress(envelope(*records), mtime=0)
        return key

    def digests(self, day, *, account=ACCOUNT, region=REGION, missing=(), keys=lambda _: ()):
        for hour in range(24):
            start = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
            end = start + timedelta(hours=1)
            if hour in missing:
                continue
            body = {
                "awsAccountId": account,
                "digestStartTime": start.isoformat(),
                "digestEndTime": end.isoformat(),
                "logFiles": [{"s3Object": k} for k in keys(hour)],
            }
            name = f"{account}_CloudTrail-Digest_{region}_org_us-east-1_{end:%Y%m%dT%H%M%SZ}"
            self.objects[f"AWSLogs/{account}/CloudTrail-Digest/{region}/{end:%Y/%m/%d}/{name}.json.gz"] = gzip.compress(
                json.dumps(body).encode()
            )
