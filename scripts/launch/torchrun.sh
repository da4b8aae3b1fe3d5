#!/usr/bin/env bash
# Trains with torchrun, on one machine or several; every argument goes to `gcvideo fit`:
#
#   scripts/launch/torchrun.sh --config folder --data.root MY_VIDEOS
#   NODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 scripts/launch/torchrun.sh --config ...    # on machine 0
#   NODES=2 NODE_RANK=1 MASTER_ADDR=10.0.0.1 scripts/launch/torchrun.sh --config ...    # the same on machine 1
#
#   GPUS         processes on this machine, one a GPU; default: the GPUs that torch sees, else 1
#   NODES        number of machines; default 1
#   NODE_RANK    which of them this is, 0 to NODES - 1; default 0
#   MASTER_ADDR  address of machine 0, which the others can reach; needed from two machines on
#   MASTER_PORT  a port that is free there; default 29500
#   RUN_DIR      run folder (shared by all machines); if it has a checkpoint, the run continues from the last one
#   PYTHON       the interpreter that has gcvideo; default: python
#
# Exit code: 0, or that of the rank that ended first (143: preempted; 137: killed). torchrun itself says 1 for all.
# A rank that ends takes the job with it, and nothing is restarted in place: start the same line again.
set -euo pipefail

PYTHON=${PYTHON:-python}
NODES=${NODES:-1}
NODE_RANK=${NODE_RANK:-0}
MASTER_PORT=${MASTER_PORT:-29500}
GPUS=${GPUS:-$("$PYTHON" -c 'import torch; print(torch.cuda.device_count() or 1)')}

if [ "$NODES" -gt 1 ]; then
  : "${MASTER_ADDR:?is not set: the address of machine 0 is needed where NODES is more than 1}"
  meeting=(--nnodes "$NODES" --node-rank "$NODE_RANK" --master-addr "$MASTER_ADDR" --master-port "$MASTER_PORT")
else
  meeting=(--standalone) # finds a free port, so that several jobs can run on one machine
fi

run=()
if [ -n "${RUN_DIR:-}" ]; then
  run+=(--run_dir "$RUN_DIR")
  if [ -f "$RUN_DIR/last.ckpt" ] || [ -f "$RUN_DIR/previous.ckpt" ]; then
    run+=(--ckpt_path last)
  fi
fi

# torchrun would give every process one thread; these share out the cores.
threads=$(($(nproc) / GPUS))
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((threads > 0 ? threads : 1))}

exec "$PYTHON" "$(dirname "$0")/agent.py" "${meeting[@]}" --nproc-per-node "$GPUS" --max-restarts 0 \
  -m gcvideo fit "$@" "${run[@]}" --trainer.devices="$GPUS" --trainer.num_nodes="$NODES"
