"""The history of hosts in a database of the user's choice: SQLite, or MySQL and its like."""
