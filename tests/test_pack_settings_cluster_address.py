import os
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code, Refused
from qa2pack.pack.cli import main
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.settings.cluster_address import check_address
from support.in_process import Delivery, make_reduction

PLAIN = [
    "tcp://node7:8786",
    "node7:8786",
    "10.1.0.7:8786",
    "tcp://10.1.0.7:8786",
    "tcp://[fe80::1]:8786",
    "tcp://0.0.0.0:8786",
    "ws://node7:80",
    "ucx://node7:8786",
    "tcp://127.0.0.1.example.org:8786",
    "tcp://localhost.example.org:8786",
    "TCP://node7:8786",
    "tls:node7:8786",
    "tcp://tls://node7:8786",
]


@pytest.mark.parametrize("address", PLAIN)
def test_plain_connection_to_another_machine_is_refused(address: str) -> None:
    with pytest.raises(Refused, match="not-encrypted") as caught:
        check_address(address, is_insecure=False)
    assert [problem.code for problem in caught.value.problems] == [Code.NOT_ENCRYPTED]
    check_address(address, is_insecure=True)


@pytest.mark.parametrize(
    "address",
    [
        "tls://node7:8786",
        "wss://node7:443",
        "tcp://127.0.0.1:8786",
        "127.0.0.1:8786",
        "tcp://[::1]:8786",
        "localhost:1",
    ],
)
def test_certificates_and_the_loopback_are_taken(address: str) -> None:
    check_address(address, is_insecure=False)


def test_engine_of_a_plain_cluster_is_not_started() -> None:
    with pytest.raises(Refused), started_engine(Workers(cluster="tcp://192.0.2.1:8786")):
        pass


def test_plan_refuses_and_names_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_reduction(tmp_path / "sb1")
    assert main(["plan", str(tmp_path / "sb1"), str(tmp_path / "P"), "--cluster", "tcp://192.0.2.1:8786"]) == 1
    assert "--insecure-cluster" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["sb1"]


@pytest.mark.parametrize("verb", ["apply", "verify", "tarsplit"])
def test_commands_refuse_and_name_the_option(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    delivery = Delivery(make_reduction(tmp_path / "sb1"), tmp_path / "2011.0.00229.S")
    delivery.make(Mode.COPY)
    more = ["-n", "2012-06-20", "--output", str(tmp_path)] if verb == "tarsplit" else []
    assert main([verb, str(delivery.path), *more, "--cluster", "tcp://192.0.2.1:8786"]) == 1
    assert "--insecure-cluster" in capsys.readouterr().err
