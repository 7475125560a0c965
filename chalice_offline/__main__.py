"""``python -m chalice_offline``."""

from chalice_offline.cli import main

if __name__ == "__main__":
    main(prog_name="chalice-offline")
