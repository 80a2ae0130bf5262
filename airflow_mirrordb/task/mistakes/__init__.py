"""What is said of mistakes in a DAG file; loaded only with the first of them."""
