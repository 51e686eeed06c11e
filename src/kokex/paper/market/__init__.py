"""The market feed: candle files, a synthetic market, and the ticks that both are expanded into."""
