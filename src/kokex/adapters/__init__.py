"""The outside, behind the ports: one owner for each third party."""
