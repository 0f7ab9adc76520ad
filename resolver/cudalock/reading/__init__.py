"""How the names and METADATA of new wheels read, by the rules of matrix.toml."""
