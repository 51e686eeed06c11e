"""Algo orders: they wait for a price or a time, hold nothing meanwhile, and then become ordinary orders."""
