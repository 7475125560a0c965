"""``python -m chalice_offline``."""

from chalice_offline.interrupts import ends_quietly

if __name__ == "__main__":
    with ends_quietly():
        from chalice_offline.cli import main
    main(prog_name="chalice-offline")
