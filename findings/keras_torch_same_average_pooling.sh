#!/usr/bin/env bash
# Keras: average pooling with padding="same" answers differently on the torch and JAX backends.
#
# Keras 3.15.1, torch 2.14.1, jax 0.10.2. AveragePooling2D(3, padding="same") on 5x5 pictures: JAX (as
# TensorFlow) leaves padding out of the mean; the torch backend gives other values in the windows
# that reach over the border. A model that is trained on one backend and saved is another function
# on the other, without a warning. Exits 0 while the two differ.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "keras==3.15.1" "torch==2.14.1" "jax[cpu]==0.10.2"
cat > "$folder/pool.py" <<'PYTHON'
import keras, numpy as np
x = np.random.default_rng(0).random((1, 5, 5, 1)).astype("float32")
y = keras.ops.convert_to_numpy(keras.layers.AveragePooling2D(3, padding="same")(x))
np.save(f"{keras.backend.backend()}.npy", y[0, :, :, 0])
print(keras.backend.backend(), y[0, :, :, 0].tolist())
PYTHON
cd "$folder"
KERAS_BACKEND=torch venv/bin/python pool.py
KERAS_BACKEND=jax venv/bin/python pool.py
# Seen: torch 0.6166 and 0.3585 where jax has 0.5120 and 0.4006.
venv/bin/python - <<'PYTHON'
import sys
import numpy as np
apart = np.abs(np.load("torch.npy") - np.load("jax.npy")).max()
print("largest difference", apart)
sys.exit(0 if apart > 1e-3 else 1)
PYTHON
