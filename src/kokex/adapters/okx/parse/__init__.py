"""From wire to domain: the one place where OKX's strings become numbers and times, and its words ours."""
