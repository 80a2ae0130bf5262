"""Login endpoints: where Login and Password are sent to, and what is made of the answer."""
