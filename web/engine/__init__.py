"""The resolver in the visitor's browser: what is packed for it, and what runs there."""
