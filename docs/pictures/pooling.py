"""The picture of README and front page: `python docs/pictures/pooling.py [FILE]` draws it again."""

import sys
from pathlib import Path

import matplotlib

import mixedbayes as mb

matplotlib.use("Agg")
sleep = mb.load_data("sleepstudy_partial")  # two more subjects, with two nights and one
fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1, progress=False)
picture = fit.plot_pooling(levels=["308", "335", "374", "373"])
target = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_suffix(".png")
picture.savefig(target, dpi=110, metadata={"Software": None})
