"""What a request says: who sends it, its body, conditions, page and idempotency key."""
