"""The course's CNNs in Keras: `catsdogs` with its augmentation inside the model, or `fashion`.

DIR holds train/CLASS and val/CLASS for `catsdogs`, whose photos are decoded before the fit, cached and
prefetched, and the files of Fashion-MNIST for `fashion`, of which a fifth validates. Epochs are validated.
"""

import argparse
import gzip
import os

from _phases import Phases

phases = Phases()
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("net", choices=["catsdogs", "fashion"])
parser.add_argument("dir")
parser.add_argument("--epochs", type=int, default=2)
asked = parser.parse_args()
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

keras.utils.set_random_seed(0)
phases.phase("import")


def photos(part):
    """Batches of 16 that are decoded once, and how many photos they hold."""
    read = keras.utils.image_dataset_from_directory(
        f"{asked.dir}/{part}",
        image_size=(180, 180),
        batch_size=16,
        label_mode="binary",
        seed=0,
        verbose=False,
    )
    kept = read.cache()
    for _ in kept:
        pass
    kept = kept.shuffle(128) if part == "train" else kept
    return kept.prefetch(tf.data.AUTOTUNE), len(read.file_paths)


def idx(name, offset):
    """The numbers of one of Fashion-MNIST's files."""
    with gzip.open(f"{asked.dir}/{name}-ubyte.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)


def convolutions(*widths, padding):
    """Each with its pooling."""
    for width in widths:
        yield layers.Conv2D(width, 3, activation="relu", padding=padding)
        yield layers.MaxPooling2D()


if asked.net == "catsdogs":
    (train, images), (val, _) = photos("train"), photos("val")
    given = {"x": train, "validation_data": val}
    augmentation = [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomZoom(0.1)]
    first, widths, padding, loss = (180, 180, 3), (32, 64, 32), "valid", "binary_crossentropy"
    dense = [(128, "relu"), (64, "relu"), (1, "sigmoid")]
    dropout = [layers.Dropout(0.5)]
else:
    x, y = idx("train-images-idx3", 16).reshape(-1, 28, 28, 1), idx("train-labels-idx1", 8)
    images = int(len(x) * 0.8)
    given = {"x": x, "y": y, "batch_size": 64, "validation_split": 0.2}
    augmentation, dropout = [], []
    first, widths, padding, loss = (28, 28, 1), (32, 64), "same", "sparse_categorical_crossentropy"
    dense = [(128, "relu"), (10, "softmax")]
model = keras.Sequential(
    [
        keras.Input(first),
        *augmentation,
        layers.Rescaling(1 / 255.0),
        *convolutions(*widths, padding=padding),
        layers.Flatten(),
        *dropout,
        *(layers.Dense(units, activation=activation) for units, activation in dense),
    ]
)
model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
phases.phase("build")
stamps = keras.callbacks.LambdaCallback(on_epoch_begin=phases.mark, on_epoch_end=phases.mark)
model.fit(**given, epochs=asked.epochs, verbose=0, callbacks=[stamps])
phases.phase("fit")
phases.say(
    version=f"keras {keras.__version__}, tensorflow {tf.__version__}",
    images=images,
    fit_seconds=phases.seconds["fit"],
    epoch_seconds=phases.epoch_seconds(),
)
