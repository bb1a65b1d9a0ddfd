"""Keras's layers that flip, turn and zoom a batch of 32 images at 180 px, compiled as one function."""

import os
import statistics

from _phases import Phases

phases = Phases()
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

images = tf.random.uniform((32, 180, 180, 3))
change = keras.Sequential(
    [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomZoom(0.1)]
)
compiled = tf.function(lambda batch: change(batch, training=True))
for _ in range(10):
    compiled(images)
seconds = statistics.median(phases.timed(lambda: compiled(images).numpy(), 60))
phases.say(version=f"keras {keras.__version__}, tensorflow {tf.__version__}", seconds=seconds)
