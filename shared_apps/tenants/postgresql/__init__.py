"""The second and third lock: a database backend that sets schema and role for each transaction."""
