"""All mistakes of the page that ``poe messages`` prints, by its headings."""

from __future__ import annotations

from tests.messages.arguments import MORE_ARGUMENTS
from tests.messages.connections import CONNECTIONS
from tests.messages.habits import HABITS
from tests.messages.mistakes import MISTAKES

PAGE = {**MISTAKES, **CONNECTIONS, **MORE_ARGUMENTS, **HABITS}
