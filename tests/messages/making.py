"""How a mistake is made, and what it says."""

from __future__ import annotations

import json
import os
import warnings
from itertools import count
from urllib.parse import urlsplit

from tests.messages.mistakes import Mistake
from tests.support.backends import ScriptedBackend

_numbers = count(1)


def told(mistake: Mistake) -> str:
    """Return the message of a mistake; nothing if it is made without a word."""
    backend = ScriptedBackend()
    backend.start()
    conn_id = f"crm_{next(_numbers)}"  # what was looked up of another is no longer true
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    address = urlsplit(backend.url)
    connection = {
        "conn_type": "mirrordb",
        "schema": "http",
        "host": address.hostname,
        "port": address.port,
        "password": "key-1",
        **mistake.connection,
    }
    os.environ[variable] = json.dumps(connection)
    backend.answers = [*mistake.answers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            mistake.does(conn_id)
    except Exception as error:  # noqa: BLE001  # whichever it is
        return str(error)
    else:
        return ""
    finally:
        backend.stop()
        del os.environ[variable]
