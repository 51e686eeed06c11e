"""`python -m kokex`: the command line, for whoever starts it as a child process."""

from kokex.cli.app import main

if __name__ == "__main__":
    main()
