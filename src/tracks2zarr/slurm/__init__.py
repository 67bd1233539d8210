"""Runs a whole experiment as an array job on a SLURM cluster.

Tasks know nothing of this package: what they leave in the store is read here. Facts about what
SLURM answers are in its manual pages sbatch(1), squeue(1), sacct(1), scancel(1), scontrol(1).
"""
