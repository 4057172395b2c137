"""`python -m multigan`: the same as the command `multigan`."""

from multigan.cli import main

if __name__ == "__main__":
    main()
