"""Accounts: cash, frozen cash, positions, margin, fees, and a bill for every change."""
