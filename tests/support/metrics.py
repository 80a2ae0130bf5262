"""Where an Airflow sends its metrics in these tests: a socket on 127.0.0.1 that reads what StatsD would."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread

_LINE = re.compile(r"(?P<name>[^,:]+)(?P<tags>(?:,[^:]*)?):(?P<value>[^|]+)\|(?P<kind>\w+)")


class Metrics:
    """What has arrived, as lines of StatsD with tags as InfluxDB has them."""

    def __init__(self, port: int) -> None:
        self.lines: list[str] = []
        self.environment: Mapping[str, str] = {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(port),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        }

    def of(self, conn_id: str) -> list[str]:
        """Return the metrics of a connection as ``requests GET 200``, each as often as it was counted."""
        found = []
        for line in self.lines:
            match = _LINE.fullmatch(line)
            tags = dict(tag.split("=") for tag in match["tags"].split(",")[1:]) if match else {}
            if match and tags.get("conn_id") == conn_id:
                assert match["kind"] == ("ms" if match["name"].endswith(".latency") else "c")
                assert float(match["value"]) > 0
                name = match["name"].removeprefix("airflow.mirrordb.")
                found.append(f"{name} {tags['method']} {tags['status']}")
        return sorted(found)


@contextmanager
def receiving() -> Iterator[Metrics]:
    """Receive metrics until the end."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        metrics = Metrics(receiver.getsockname()[1])

        def receive() -> None:
            while datagram := receiver.recv(65536):
                metrics.lines += datagram.decode().splitlines()

        thread = Thread(target=receive)
        thread.start()
        try:
            yield metrics
        finally:
            receiver.sendto(b"", receiver.getsockname())
            thread.join()
