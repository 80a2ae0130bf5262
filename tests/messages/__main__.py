"""Print the message of each mistake: what a person reads who made it."""

from __future__ import annotations

import os
import tempfile


def main() -> None:
    """Make all mistakes, and print them side by side."""
    with tempfile.TemporaryDirectory(prefix="mirrordb-") as home:
        os.environ["AIRFLOW_HOME"] = home  # before Airflow is imported
        from tests.messages.making import told
        from tests.messages.page import PAGE

        for title, mistakes in PAGE.items():
            print(f"\n{title}\n{'=' * len(title)}")
            for name, mistake in mistakes.items():
                print(f"\n- {name}\n  {told(mistake)}")


if __name__ == "__main__":
    main()
