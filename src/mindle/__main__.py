"""`python -m mindle` is `mindle`."""

from mindle.cli.main import run

if __name__ == "__main__":
    run()
