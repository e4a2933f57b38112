"""A worker that keeps the contract of `finetune_kit/engines/contract.py` and learns
nothing: it writes the lines of a training run, quickly, or as slowly as the job's
learning rate multiplier says (0.5: half a second a step). Seed 13 makes it die at
step 3, seed 14 report an error there, seed 15 lose its loss to NaN.
"""

import json
import math
import os
import sys
import time
from pathlib import Path

folder = Path(sys.argv[1])
spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
parameters, seed = spec["hyperparameters"], spec["seed"]
examples = len(Path(spec["training_file"]).read_bytes().splitlines())
per_epoch = math.ceil(examples / parameters["batch_size"])
total = per_epoch * parameters["n_epochs"]
multiplier = parameters["learning_rate_multiplier"]
pause = multiplier if multiplier < 1 else 0
path = folder / "events.jsonl"
earlier = list(map(json.loads, path.read_text().splitlines())) if path.exists() else []
reached = max((e["data"]["step"] for e in earlier if e["type"] == "metrics"), default=0)
saved = {e["step"] for e in earlier if e["type"] == "checkpoint"}
seq = len(earlier)


def write(kind, **fields):
    global seq
    seq += 1
    # As if each line had cost a second of processor time.
    event = {"seq": seq, "t": time.time(), "cpu": seq, "type": kind}
    line = json.dumps(event | fields)
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(line + "\n")


def save(step):
    """A checkpoint, once; also where an earlier run was killed on the way to it."""
    checkpoint = folder / "ckpt" / f"step-{step}"
    if step not in saved:
        saved.add(step)
        checkpoint.mkdir(parents=True, exist_ok=True)
        (checkpoint / "weights.npz").write_bytes(b"weights of step %d" % step)
        write("checkpoint", step=step, path=f"ckpt/step-{step}", data=metrics(step))


def metrics(step):
    data = {"step": step, "total_steps": total, "train_loss": 2 / step}
    data["train_mean_token_accuracy"] = 1 - 1 / step
    if seed == 15:
        data["train_loss"] = math.nan
    if spec["validation_file"] and (step % 10 == 0 or step % per_epoch == 0):
        data |= {"valid_loss": 3 / step, "valid_mean_token_accuracy": 0.5}
    if spec["validation_file"] and step % per_epoch == 0:
        data |= {"full_valid_loss": 4 / step, "full_valid_mean_token_accuracy": 0.25}
    return data


(folder / "worker.pid").write_text(str(os.getpid()), encoding="utf-8")
if reached and reached % per_epoch == 0:
    save(reached)
for step in range(reached + 1, total + 1):
    if step == 3 and seed == 13:
        print("out of memory", flush=True)
        os._exit(9)
    if step == 3 and seed == 14:
        write("error", code="server_error", message="The loss is not a number.")
        sys.exit(1)
    write("metrics", data=metrics(step))
    time.sleep(pause)
    if step % per_epoch == 0:
        save(step)
    if (folder / "stop.json").exists():
        wanted = json.loads((folder / "stop.json").read_text(encoding="utf-8"))["save"]
        if wanted:
            save(step)
        write("stopped", saved=wanted, path=None)
        sys.exit()
write("done", step=total, path=f"ckpt/step-{total}")
