"""The exchange itself, without any wire: accounts, orders, records, and the market that moves them."""
