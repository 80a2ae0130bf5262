"""What a body says of an error, whatever shape it says it in."""
