"""Payloads as OKX v5 writes them: strings for numbers, empty strings for what does not apply."""
