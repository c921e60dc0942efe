"""An organization from a file: levels of SCPs and RCPs, and what the file does not say."""

import json

import pytest

from plumbline.inventory.organization_file import read_organization
from plumbline.json_files import JsonFileError
from plumbline.model.snapshot import Organization

FULL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
RCP = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}
ONE, TWO = "111111111111", "222222222222"


@pytest.fixture
def organization(tmp_path):
    def read(data):
        path = tmp_path / "organization.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        return read_organization(path)

    return read


def text(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def test_levels_from_the_root_down(organization):
    unit = {"id": "ou-1", "serviceControlPolicies": [], "accounts": [{"id": TWO, "serviceControlPolicies": [FULL]}]}
    found = organization(
        {
            "managementAccount": ONE,
            "root": {
                "id": "r-1",
                "serviceControlPolicies": [FULL],
                "accounts": [{"id": ONE, "name": "main", "serviceControlPolicies": [FULL], "regions": ["b", "a"]}],
                "organizationalUnits": [unit],
            },
        }
    )
    assert list(found) == [ONE, TWO]
    assert (found[ONE].management, found[TWO].management) == (True, False)
    assert (found[ONE].name, found[ONE].regions, found[ONE].ou_path) == ("main", ("a", "b"), ("r-1",))
    assert found[TWO].ou_path == ("r-1", "ou-1")
    assert found[TWO].scp_levels == ((text(FULL),), (), (text(FULL),))
    assert found[TWO].rcp_levels == ()  # no level has any: they are not in use


def test_its_id_makes_it_the_organization_of_all_accounts(organization):
    root = {"accounts": [{"id": ONE}]}
    assert organization({"root": root})[ONE].organization is None
    assert organization({"id": "o-1", "root": root})[ONE].organization == Organization("o-1", complete=True)


def test_a_level_that_does_not_say_is_unknown_where_others_do(organization):
    root = {"serviceControlPolicies": [FULL], "resourceControlPolicies": [RCP], "accounts": [{"id": ONE}]}
    found = organization({"root": root})
    assert (found[ONE].scp_levels, found[ONE].rcp_levels) == (None, None)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "$ is no JSON object"),
        ({}, "$.root is missing"),
        ({"roots": {}}, "$.roots is not known; there are id, managementAccount, root"),
        ({"id": "r-1", "root": {}}, "$.id is 'r-1', and no id of an organization"),
        ({"root": {"accounts": {}}}, "$.root.accounts is no list"),
        ({"root": {"accounts": [{"id": 111111111111}]}}, "$.root.accounts[0].id is 111111111111, and no account id"),
        ({"root": {"accounts": [{"id": ONE}, {"id": ONE}]}}, f"$.root has account {ONE} twice"),
        ({"root": {"accounts": [{"id": ONE, "regions": "a"}]}}, "$.root.accounts[0].regions is no list of Regions"),
        (
            {"root": {"organizationalUnits": [{"serviceControlPolicies": ["x"]}]}},
            "$.root.organizationalUnits[0].serviceControlPolicies[0] is no policy document",
        ),
        (
            {"root": {"serviceControlPolicies": [{"Statement": 1}], "accounts": [{"id": ONE}]}},
            "$.root.serviceControlPolicies[0] is no legal policy",
        ),
    ],
)
def test_a_wrong_file_is_told_by_place(organization, data, message):
    with pytest.raises(JsonFileError) as raised:
        organization(data)
    assert "organization.json: " in str(raised.value)
    assert message in str(raised.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(JsonFileError, match="cannot be read: No such file"):
        read_organization(tmp_path / "none.json")
