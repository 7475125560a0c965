"""The local runtime as this project runs it: ``python -m infra.run start``, and the other commands.

``ORDERFLOW_PORT`` and the like set its options; see ``python -m infra.run start --help``.
"""

from pathlib import Path

from chalice_offline.interrupts import ends_quietly

if __name__ == "__main__":
    with ends_quietly():
        from chalice_offline.cli import command_line

        main = command_line(
            "ORDERFLOW",
            {"app": Path("chalice_app"), "port": 3000, "stage": "local", "state_dir": Path(".orderflow")},
        )
    main(prog_name=".venv/bin/python -m infra.run")
