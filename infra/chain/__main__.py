"""``python -m infra.chain``."""

from infra.chain.cli import main

if __name__ == "__main__":
    main()
