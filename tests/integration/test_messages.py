"""Each message leads to the mend: it says what is wrong, where, and what would be right."""

from __future__ import annotations

import pytest

from tests.messages.making import told
from tests.messages.mistakes import Mistake
from tests.messages.page import PAGE

#: Characters that need one reading.
MOST = 420


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(mistake, id=f"{title}: {name}")
        for title, mistakes in PAGE.items()
        for name, mistake in mistakes.items()
    ],
)
def test_a_mistake_is_told_in_words_that_lead_to_its_mend(mistake: Mistake) -> None:
    """The page of ``poe messages``, row by row: nobody has to look into the code for what was meant."""
    message = told(mistake)
    for words in mistake.says:
        assert words in message
    assert len(message) <= MOST
    assert len(message.splitlines()) == 1
