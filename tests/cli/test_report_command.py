"""`plumbline report` and `plumbline serve`: what they write, where they listen, and how they end."""

import socket

import pytest

from tests.dashboard.worlds import ADMIN, written


def test_report_writes_one_file(plumbline, tmp_path):
    output = tmp_path / "page.html"
    ended = plumbline("report", *written(tmp_path / "in"), "--output", str(output))
    assert (ended.status, ended.out) == (2, "")  # a policy could not be read
    assert "what they grant is unknown" in ended.err
    assert f"written to {output}" in ended.err
    text = output.read_text()
    assert text.startswith("<!doctype html>")
    assert ADMIN in text
    assert plumbline("report", *written(tmp_path / "in"), "--output", "-").out == text
    assert plumbline("analyze", *written(tmp_path / "in"), "--format", "html").out == text


def test_ways_of_ones_own_are_in_the_report(plumbline, tmp_path):
    given, ways = written(tmp_path / "in"), tmp_path / "ways.yaml"
    ways.write_text(
        "[{id: acme-read, kind: self-escalation, summary: s, needs: {s3:GetObject: any}, target: principal, gains: anything}]"
    )
    assert "acme-read" not in plumbline("report", *given, "--output", "-").out
    assert "acme-read" in plumbline("report", *given, "--output", "-", "--ways", str(ways)).out
    ways.write_text("[]]")
    for command in ("report", "serve"):
        ended = plumbline(command, *given, "--ways", str(ways))
        assert (ended.status, ended.out) == (64, "")
        assert "--ways" in ended.err


def test_details_are_as_many_as_asked_for(plumbline, tmp_path):
    given = written(tmp_path / "in")
    sizes = [len(plumbline("report", *given, "--output", "-", "--details", str(n)).out) for n in (0, 1, 5)]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3


def test_a_file_that_cannot_be_written_is_said(plumbline, tmp_path):
    ended = plumbline("report", *written(tmp_path / "in"), "--output", str(tmp_path / "none" / "x.html"))
    assert ended.status == 64
    assert "name another file" in ended.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_serve_refuses_addresses_that_others_reach(plumbline, tmp_path, host):
    ended = plumbline("serve", *written(tmp_path / "in"), "--host", host)
    assert (ended.status, ended.out) == (64, "")
    assert "--behind-proxy" in ended.err


def test_serve_says_that_a_port_is_taken_before_it_reads_anything(plumbline, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = plumbline("serve", *written(tmp_path / "in"), "--port", str(port))
    said = " ".join(ended.err.replace("│", " ").split())
    assert ended.status == 64
    assert f"port {port}" in said
    assert "0 for a free one" in said
    assert "reads the files" not in said


@pytest.mark.parametrize("option", ["--dashboard-user-header", "--dashboard-group-header"])
def test_the_operator_wants_a_port_for_its_dashboard(plumbline, option):
    ended = plumbline("operator", option, "X-User")
    assert ended.status == 64
    assert "--dashboard-port" in ended.err
