#!/bin/sh
# The teacher's image features for one training, computed by a Slurm job array into a cache that all nodes see; then the training itself.
#
#   set -- --teacher /models/teacher --clip /models/ViT-B-16 --data /data/imagenet --out /shared/runs/imagenet \
#     --teacher-cache /shared/features --epochs 20 --views 4
#   id=$(sbatch --parsable --array=1-8 examples/cluster/slurm-features.sh "$@")
#   sbatch --dependency=afterok:"$id" --gres=gpu:1 --wrap "promptkd distill $*"
#
# The same command continues what a time limit or a lost node has interrupted. The training computes what is missing.
#SBATCH --job-name=promptkd-features
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --signal=TERM@120
#SBATCH --output=promptkd-features-%A-%a.log
set -eu

# PROMPTKD: the command, where it is not on the PATH, such as "node /opt/promptkd/dist/cli/main.js".
PROMPTKD=${PROMPTKD:-promptkd}

# exec: the signal before the time limit then reaches promptkd, which writes what it has computed.
# Slurm's numbers of the array make the share.
# shellcheck disable=SC2086
exec $PROMPTKD distill "$@" --fill-cache
