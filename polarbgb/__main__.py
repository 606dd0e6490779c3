"""``python -m polarbgb`` is ``polarbgb``."""

from polarbgb.cli.main import main

if __name__ == "__main__":
    main()
