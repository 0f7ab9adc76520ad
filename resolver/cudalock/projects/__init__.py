"""What a repository asks for, read from its files."""
