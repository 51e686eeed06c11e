"""The REST face: OKX v5 paths under /api/v5."""
