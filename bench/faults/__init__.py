"""Commands with faults injected: killed, refused by the disk, lied to by servers; what is lost?

`process` runs one, `commands` has those that write, `world` what they run in. `kills` and `others`
are the faults, `server` is the hostile index. POSIX only: it forks.
"""
