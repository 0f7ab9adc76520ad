"""Speed, memory and the whole grid: `python -m bench` and `python -m bench.grid`."""
