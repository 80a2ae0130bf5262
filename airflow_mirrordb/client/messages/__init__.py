"""What is sent and what is answered: requests, headers, responses, and the errors that they stand for."""
