#!/bin/sh
# Runs test/cluster in a real Slurm of one machine (Debian's slurm-wlm), which this starts and stops. Ends with
# `tests: N passed, N failed`; skips where Slurm cannot run.
set -eu
cd "$(dirname "$0")/.."

skip() {
  echo "test-slurm: $1"
  echo 'tests: 0 passed, 0 failed, 1 skipped'
  exit 0
}

[ "$(id -u)" = 0 ] || skip 'needs root, to start a controller and a node'
if ! command -v slurmctld >/dev/null; then
  command -v apt-get >/dev/null || skip 'only Debian and its relatives are supported'
  apt-get update -qq && apt-get install -qq -y --no-install-recommends slurm-wlm >/dev/null || skip 'slurm-wlm cannot be installed here'
fi

folder=$(mktemp -d /tmp/promptkd-slurm-XXXXXX)
export SLURM_CONF="$folder/slurm.conf"
stop() {
  for name in slurmd slurmctld; do
    [ ! -f "$folder/$name.pid" ] || kill "$(cat "$folder/$name.pid")" 2>/dev/null || true
  done
  sleep 1
  rm -rf "$folder"
}
trap stop EXIT

host=$(hostname -s)
mkdir "$folder/state" "$folder/spool"
cat >"$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmctldPort=26817
SlurmdPort=26818
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
printf '%s\n' 'CgroupPlugin=autodetect' 'IgnoreSystemd=yes' >"$folder/cgroup.conf"
slurmctld && slurmd || { cat "$folder"/*.log; skip 'Slurm does not start here'; }
for _ in 1 2 3 4 5 6 7 8 9 10; do
  sinfo -h -o %T 2>/dev/null | grep -q idle && break
  sleep 1
done
sinfo -h -o %T | grep -q idle || { cat "$folder"/*.log; skip 'the node does not get ready'; }

PROMPTKD_SLURM=1 npm test -- test/cluster
