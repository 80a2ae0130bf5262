"""``python -m airflow_mirrordb.devserver``: the embedded MirrorDB as a process of its own."""

import argparse
import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing

from airflow_mirrordb.devserver.app import create_app
from airflow_mirrordb.devserver.jobs import QUEUED_FOR, RUNNING_FOR, Jobs
from airflow_mirrordb.devserver.server import HOST, serving
from airflow_mirrordb.devserver.store import Store

API_KEY_VARIABLE = "MIRRORDB_DEVSERVER_API_KEY"


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    :param argv: command line arguments; those of the process by default
    :return: exit code, 0 after a signal, 1 if the server cannot start
    :raises SystemExit: the arguments are wrong
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        jobs = Jobs(arguments.jobs, queued_for=arguments.queued_for, running_for=arguments.running_for)
    except ValueError as error:
        parser.error(str(error))
    try:
        with closing(Store(arguments.db)) as store:
            asyncio.run(_serve_until_signal(store, arguments.api_key, arguments.port, jobs))
    except sqlite3.Error as error:
        return _fail(f"{arguments.db}: {error}")
    except OSError as error:
        return _fail(str(error))
    return 0


async def _serve_until_signal(store: Store, api_key: str | None, port: int, jobs: Jobs) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with serving(create_app(store, api_key, jobs), port) as bound_port:
        print(f"MirrorDB devserver listening on http://{HOST}:{bound_port}", flush=True)  # noqa: T201  # callers wait for this line
        await stopping.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_mirrordb.devserver",
        description="A MirrorDB for development and tests, on 127.0.0.1 only.",
    )
    parser.add_argument("--port", type=_port, default=0, help="default: 0, a free one")
    parser.add_argument(
        "--db", default=":memory:", help="SQLite file; default: in memory, forgotten at the end"
    )
    parser.add_argument(
        "--api-key",
        type=_api_key,
        default=os.environ.get(API_KEY_VARIABLE) or None,
        help=f"asked of every request; default: ${API_KEY_VARIABLE}, which does not show in the process list",
    )
    parser.add_argument(
        "--jobs",
        action="append",
        default=[],
        metavar="NAME",
        help="a resource whose records are jobs, as batches for api/batches; may be given many times",
    )
    for option, seconds, words in (
        ("--queued-for", QUEUED_FOR, "a job is queued"),
        ("--running-for", RUNNING_FOR, "it runs then"),
    ):
        parser.add_argument(
            option,
            type=float,
            default=seconds,
            metavar="SECONDS",
            help=f"how long {words}, unless it says so itself; default: {seconds:g}",
        )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) not in range(65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)


def _api_key(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("is empty; leave it out to serve without a key")
    return text


def _fail(reason: str) -> int:
    print(f"MirrorDB devserver: {reason}", file=sys.stderr)  # noqa: T201  # a command line reports here
    return 1


if __name__ == "__main__":
    sys.exit(main())
