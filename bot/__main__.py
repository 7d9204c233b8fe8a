"""`python -m bot` is the same as `dailies`."""

from bot.commandline import main

if __name__ == "__main__":
    main()
