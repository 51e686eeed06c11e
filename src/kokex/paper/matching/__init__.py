"""The matching engine: whole ticks and lots, price-time priority, nothing of the wire."""
