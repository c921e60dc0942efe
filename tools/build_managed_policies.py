"""Builds controller/plumbline/inventory/data/aws_managed_policies.json.gz: the AWS managed policies that moto ships.

Inventories in files may lack the document of an AWS managed policy. The same installed package gives the same content.
`--check` changes nothing and fails when the file does not hold it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path

from moto.iam.aws_managed_policies import aws_managed_policies_data

FILE = Path(__file__).parent.parent / "controller/plumbline/inventory/data/aws_managed_policies.json.gz"


def build() -> bytes:
    policies = json.loads(aws_managed_policies_data)
    content = {
        "date": max(policy.get("UpdateDate") or policy["CreateDate"] for policy in policies.values())[:10],
        "policies": {
            f"{policy['Path'].removeprefix('/')}{name}": {
                "version": policy["DefaultVersionId"],
                "created": policy.get("UpdateDate") or policy["CreateDate"],
                "document": policy["Document"],
            }
            for name, policy in policies.items()
        },
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the file is not up to date")
    check = parser.parse_args().check
    content = build()
    if not check:
        FILE.write_bytes(gzip.compress(content, 9, mtime=0))
    elif not FILE.exists() or gzip.decompress(FILE.read_bytes()) != content:
        print(f"{FILE.name} is not up to date; run tools/build_managed_policies.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
