"""Samples of any exported model with numpy and onnxruntime alone: python run_standalone.py model.onnx 16 7 samples

The same as `multigan generate model.onnx -n 16 --seed 7`: all in samples.npy, pictures as .ppm, sounds as .wav, texts
on the terminal. See docs/noise.md and export/README.md. It checks nothing: for files of your own."""

import json
import math
import sys
import wave
from pathlib import Path

import numpy as np
import onnxruntime

A, B, C, D = np.reshape([  # Wichura's AS 241: the numerators and denominators of its two first parts
    2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946, 1971.5909503065513,
    133.14166789178438, 3.3871328727963665, 5226.495278852854, 28729.085735721943, 39307.89580009271,
    21213.794301586597, 5394.196021424751, 687.1870074920579, 42.31333070160091, 1.0, 0.0007745450142783414,
    0.022723844989269184, 0.2417807251774506, 1.2704582524523684, 3.6478483247632045, 5.769497221460691,
    4.630337846156546, 1.4234371107496835, 1.0507500716444169e-09, 0.0005475938084995345, 0.015198666563616457,
    0.14810397642748008, 0.6897673349851, 1.6763848301838038, 2.053191626637759, 1.0], (4, 8))  # fmt: skip


def fractions(seed, count, size, stream):  # Philox 4x32-10: uniform in (0, 1), [count, size]
    c = np.zeros((4, count, -(-size // 4)), np.uint64)
    c[0], c[1], c[2] = np.arange(c.shape[2]), stream, np.arange(count)[:, None]
    k, low, half = [seed & 0xFFFFFFFF, seed >> 32], np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        p, q = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = q >> half ^ c[1] ^ np.uint64(k[0]), q & low, p >> half ^ c[3] ^ np.uint64(k[1]), p & low
        k = [k[0] + 0x9E3779B9 & 0xFFFFFFFF, k[1] + 0xBB67AE85 & 0xFFFFFFFF]
    return (np.stack(c, axis=-1).reshape(count, -1)[:, :size] + 0.5) / 2.0**32


def normal(u):  # the inverse of the normal distribution; no fraction is small enough for AS 241's third part
    m, e = np.frexp(np.minimum(u, 1.0 - u))
    m, e = np.where(m < 0.7071067811865476, m * 2.0, m), e - (m < 0.7071067811865476)
    f, q = (m - 1.0) / (m + 1.0), u - 0.5
    r = np.sqrt(-(e * 0.6931471805599453 + 2.0 * f * np.polyval([1.0 / n for n in range(23, 0, -2)], f * f))) - 1.6
    tail, s = np.polyval(C, r) / np.polyval(D, r), 0.180625 - q * q
    return np.where(np.abs(q) <= 0.425, q * np.polyval(A, s) / np.polyval(B, s), np.where(q < 0.0, -tail, tail))


def inputs(said, count, seed):  # what the graph takes, by name
    made, stream, classes = {}, 0, max(len(said["labels"]), 1)
    for each in said["inputs"]:
        shape = [count, *(said["extra"]["length"] if isinstance(n, str) else n for n in each["shape"][1:])]
        value = np.arange(count) % classes  # of a label: the classes take turns
        if each["kind"] in ("latent", "noise"):
            u = fractions(seed, count, math.prod(shape[1:]), stream).reshape(shape)
            value, stream = 2.0 * u - 1.0 if each["distribution"] == "uniform" else normal(u), stream + 1
        elif each["kind"] == "condition":  # evenly over its range: the turn's binary digits, mirrored at the point
            share = [int(f"{i // classes + 1:b}"[::-1], 2) / 2 ** (i // classes + 1).bit_length() for i in range(count)]
            value = each["minimum"] + np.array(share) * (each["maximum"] - each["minimum"])
        elif each["kind"] != "label":  # a prefix that leaves all free, or a number for all
            value = np.full(shape if each["shape"] else (), -1 if each["kind"] == "prefix" else each["default"])
        made[each["name"]] = np.asarray(value, each["dtype"])
    return made


path, count, seed, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
said = json.loads(session.get_modelmeta().custom_metadata_map["multigan"])
samples = session.run([said["output"]["name"]], inputs(said, count, seed))[0]
np.save(f"{out}.npy", samples)
for i, sample in enumerate(samples):
    if said["modality"] == "image":
        pixels = np.rint(np.clip(sample, -1, 1) * 127.5 + 127.5).astype(np.uint8).transpose(1, 2, 0)
        colours = np.broadcast_to(pixels[..., :3], (*pixels.shape[:2], 3))  # grey is all three; no transparency
        Path(f"{out}-{i}.ppm").write_bytes(b"P6 %d %d 255\n" % pixels.shape[1::-1] + colours.tobytes())
    elif said["modality"] == "audio":
        with wave.open(f"{out}-{i}.wav", "wb") as file:
            file.setparams((len(sample), 2, said["extra"]["sample_rate"], 0, "NONE", ""))
            file.writeframes(np.rint(np.clip(sample, -1, 1).T * 32767).astype("<i2").tobytes())
    else:
        words = said["extra"]["vocabulary"]
        end = [*sample, 0].index(0) if words["end"] else len(sample)
        print((" " if words["kind"] == "words" else "").join(words["symbols"][number] for number in sample[:end]))
