#!/bin/sh
# A reproduction as a Slurm job array: each task runs its share of the trials, and needs no talk with the others.
#
#   sbatch --array=1-4 examples/cluster/slurm.sh --dataset eurosat dtd --seed 1 2 3 \
#     --data /data --teacher-clip /models/ViT-L-14 --student-clip /models/ViT-B-16 --out /shared/runs
#   promptkd reproduce --collect /shared/runs
#
# The same command continues what a time limit or a lost node has interrupted.
#SBATCH --job-name=promptkd
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --signal=TERM@120
#SBATCH --output=promptkd-%A-%a.log
set -eu

# PROMPTKD: the command, where it is not on the PATH, such as "node /opt/promptkd/dist/cli/main.js".
PROMPTKD=${PROMPTKD:-promptkd}

$PROMPTKD doctor
# exec: the signal before the time limit then reaches promptkd, which writes a checkpoint.
# shellcheck disable=SC2086
exec $PROMPTKD reproduce "$@"
