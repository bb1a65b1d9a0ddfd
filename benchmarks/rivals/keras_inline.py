"""Transfer learning inline in Keras: the frozen backbone runs again on each augmented image of each epoch.

DIR holds train/CLASS and val/CLASS; the photos of val are classified at the end. Photos are decoded once,
cached and prefetched. `--images N` takes the first N of the shuffled photos, and as large a share of val.
"""

import argparse
import os

from _phases import Phases

phases = Phases()
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("dir")
parser.add_argument("--backbone", default="MobileNetV2")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--images", type=int)
asked = parser.parse_args()
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

keras.utils.set_random_seed(0)
phases.phase("import")


def photos(part, images=None):
    """Batches of 32 that are decoded once, and how many photos they hold."""
    read = keras.utils.image_dataset_from_directory(
        f"{asked.dir}/{part}", image_size=(180, 180), batch_size=None, seed=0, verbose=False
    )
    all_of_them, classes = len(read.file_paths), len(read.class_names)
    taken = min(images or all_of_them, all_of_them)
    kept = read.take(taken).batch(32).cache()
    return (
        (kept.shuffle(64) if part == "train" else kept).prefetch(tf.data.AUTOTUNE),
        taken,
        all_of_them,
        classes,
    )


train, images, all_images, classes = photos("train", asked.images)
test, test_images, all_test_images, _ = photos(
    "val", asked.images and max(1, round(asked.images / all_images * 450))
)
base = getattr(keras.applications, asked.backbone)(weights=None, include_top=False, input_shape=(180, 180, 3))
base.trainable = False
model = keras.Sequential(
    [
        keras.Input((180, 180, 3)),
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.2),
        layers.RandomZoom(0.4),
        layers.Rescaling(1 / 255.0),
        base,
        layers.Flatten(),
        layers.Dense(256, activation="relu"),
        layers.Dense(128, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(classes, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
phases.phase("build")
stamps = keras.callbacks.LambdaCallback(on_epoch_begin=phases.mark, on_epoch_end=phases.mark)
model.fit(train, epochs=asked.epochs, verbose=0, callbacks=[stamps])
phases.phase("fit")
model.evaluate(test, verbose=0)
phases.phase("test")
phases.say(
    version=f"keras {keras.__version__}, tensorflow {tf.__version__}",
    images=images,
    all_images=all_images,
    test_images=test_images,
    all_test_images=all_test_images,
    epoch_seconds=phases.epoch_seconds(),
)
