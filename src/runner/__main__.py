"""Run the command line: python -m runner."""

from runner.cli.main import entry

if __name__ == "__main__":
    entry()
