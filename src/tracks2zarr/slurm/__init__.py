"""Driving the array job of a whole experiment on a cluster with SLURM.

Tasks know nothing of this package: what they leave in the store is read here. Facts about what
SLURM answers are in its manual pages sbatch(1), squeue(1), sacct(1), scancel(1), scontrol(1).
"""
