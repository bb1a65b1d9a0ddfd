"""Keras, one photo from a cold start: import it, load the saved model, predict. `--save` makes the model."""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np


def main() -> None:
    """Save MobileNetV2 with random weights and a head, or predict with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a .keras file")
    parser.add_argument("photo", nargs="?")
    parser.add_argument("--save", type=int, metavar="CLASSES")
    asked = parser.parse_args()
    if asked.save:
        base = keras.applications.MobileNetV2(weights=None, include_top=False, pooling="avg")
        head = keras.layers.Dense(asked.save, activation="softmax")(base.output)
        keras.Model(base.input, head).save(asked.model)
        return
    model = keras.models.load_model(asked.model, compile=False)
    photo = keras.utils.img_to_array(keras.utils.load_img(asked.photo, target_size=(224, 224)))
    scaled = keras.applications.mobilenet_v2.preprocess_input(photo[np.newaxis])
    print(json.dumps({"predicted": int(model.predict(scaled, verbose=0).argmax())}))


main()
