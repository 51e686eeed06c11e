"""What KOKEX does, one use case a file, in terms of the ports."""
