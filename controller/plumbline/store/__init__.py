"""What must outlive a pass: evidence, jobs, accepted access. SQLAlchemy Core with migrations, SQLite by default."""
