"""`python -m mixedbayes`: the command line."""

from mixedbayes.cli import main

if __name__ == "__main__":
    main(prog_name="mixedbayes")
