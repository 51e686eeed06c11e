"""The rules of trading, pure: frozen values and functions, no input or output."""
