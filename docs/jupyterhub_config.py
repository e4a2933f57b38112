"""JupyterHub for a class with finetune-kit: docs/jupyterhub.md says how to use it."""

import os
import shutil
from pathlib import Path

from finetune_kit import key_file

PROJECT = Path(__file__).resolve().parents[1]
CLASS = Path(os.environ.get("CLASS_HOME", PROJECT / "workspace" / "class"))
SERVER = os.environ.get("CLASS_SERVER", "http://127.0.0.1:8765/v1")
KEYS = {key.name: key.value for key in key_file.read(CLASS / "class" / "keys.txt")}


def hand_out_the_course(spawner):
    """A copy of notebooks and data for each learner, on the first day only."""
    for folder in ("notebooks", "data"):
        copy = Path(spawner.home_dir) / "course" / folder
        if not copy.exists():
            shutil.copytree(PROJECT / folder, copy)


c = get_config()  # noqa: F821
c.JupyterHub.bind_url = os.environ.get("CLASS_HUB", "http://127.0.0.1:8000")

# Who may come in. Put the authenticator of your school here.
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = os.environ["CLASS_PASSWORD"]
c.Authenticator.allowed_users = set(KEYS)

# Where notebooks run. All as the same user of this computer: to try it out.
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(CLASS / "learners" / "{username}")
c.Spawner.pre_spawn_hook = hand_out_the_course
c.Spawner.notebook_dir = "~/course"
c.Spawner.default_url = "/lab/tree/notebooks/00_start_here.ipynb"

# What makes kit.connect() reach the class's server with the learner's own key.
c.Spawner.environment = {
    "FINETUNE_KIT_TARGET": SERVER,
    "OPENAI_API_KEY": lambda spawner: KEYS[spawner.user.name],
    "FINETUNE_KIT_HOME": lambda spawner: f"{spawner.home_dir}/course/workspace",
}
