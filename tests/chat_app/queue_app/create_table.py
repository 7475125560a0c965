"""What a migration would do."""

import os

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as database:
    database.execute("CREATE TABLE IF NOT EXISTS entries (text text PRIMARY KEY)")
