# make demo  trains on embedded data and writes a report;  make test  runs the tests.
# make results  compares all fusions on four public data sets (hours; resumes where it stopped);
#               make results FUSIONS="concat gmu" TABLES=my-tables  compares these, for tables there.
# All make .venv and install what is needed first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint results
demo: $(STAMP)
	$(BIN)/python experiments/train.py

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

TABLES ?= experiments/results
COMPARE := $(BIN)/python experiments/compare_fusion.py --seeds 5 --workers 2 \
	--results $(TABLES) $(if $(FUSIONS),--fusions $(FUSIONS))
# Two workers on two cores: a core each.
ONE_CORE := TF_NUM_INTRAOP_THREADS=1
results: $(STAMP)
	$(COMPARE) --dataset mosi --out runs/results/mosi --vectorized --validation 0
	$(COMPARE) --dataset emoji --out runs/results/emoji --epochs 20 --test 0.3
	$(ONE_CORE) $(COMPARE) --dataset avmnist --out runs/results/avmnist --epochs 6 \
		--batch-size 32 --dropout 0 --fusion-dropout 0.1 --set audio.hop=0.036 audio.mel_bands=28
	$(ONE_CORE) $(COMPARE) --dataset easy_vqa --out runs/results/easy_vqa --epochs 6 \
		--batch-size 64 --learning-rate 0.0015 --set image.size=16,16 image.encoder.filters=16,32

$(STAMP): setup.cfg pyproject.toml requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[jax,dev]"
	touch $@
