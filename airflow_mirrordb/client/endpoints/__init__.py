"""Which endpoints, URLs and hosts a request may go to."""
