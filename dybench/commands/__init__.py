"""The commands of `dybench`, one file each."""
