"""PostgreSQL: migrations, named statements, and the rows that the domain reads and writes."""
