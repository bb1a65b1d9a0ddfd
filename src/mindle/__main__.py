"""`python -m mindle` is `mindle`."""

from mindle.cli.main import main

if __name__ == "__main__":
    main()
