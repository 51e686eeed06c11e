"""What the services need from outside, as small Protocols. Adapters fulfil them; tests bring fakes."""
