"""How a request travels: connections, TLS, deadlines."""
