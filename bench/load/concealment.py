"""Rates what a listener of a room hears of lossy speech: PESQ (narrow band) and PLCMOS v2.

The core itself conceals (`media/plane/examples/room_loss.rs`); silence and a repetition at half level are rated
beside it. Speech is the five sentences of Debian's pocketsphinx-testdata, at 8 kHz in mu-law.

    pip install numpy scipy pesq==0.0.4 speechmos==0.0.1.1 onnxruntime librosa
    cargo build --release -p plane --example room_loss
    python bench/load/concealment.py target/release/examples/room_loss /usr/share/pocketsphinx/test/data/librivox
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from pesq import pesq
from scipy.io import wavfile
from scipy.signal import resample_poly
from speechmos import plcmos

FRAME = 160
RATE = 8_000
# Loss, and mean length of a burst in packets.
CONDITIONS = [(0.0, 1.0), (0.01, 1.0), (0.03, 1.0), (0.05, 1.5), (0.10, 1.5), (0.20, 2.0)]
SEEDS = [1, 2]
# PESQ is made for short samples.
PIECE = 8 * RATE
# PLCMOS of one signal varies from run to run by 0.05.
RUNS = 4


def speech(folder):
    """The sentences of a folder, at 8 kHz, whole frames of 16 bits."""
    parts = []
    for path in sorted(pathlib.Path(folder).glob("*.wav")):
        rate, samples = wavfile.read(path)
        parts.append(resample_poly(samples.astype(float), RATE, rate))
    samples = np.clip(np.concatenate(parts), -32_768, 32_767).astype(np.int16)
    return samples[: len(samples) // FRAME * FRAME]


def mulaw_table():
    """Linear samples of the codes (ITU-T G.711, table 2)."""
    codes = ~np.arange(256) & 0xFF
    magnitude = (((codes & 0xF) * 2 + 33) << (codes >> 4 & 7)) - 33
    return (np.where(codes & 0x80, -magnitude, magnitude) * 4).astype(np.int32)


def encode(samples, table):
    """The nearest code of each sample."""
    order = np.argsort(table, kind="stable")
    ranked = table[order]
    right = np.clip(np.searchsorted(ranked, samples), 1, 255)
    nearer_left = samples - ranked[right - 1] <= ranked[right] - samples
    return order[np.where(nearer_left, right - 1, right)].astype(np.uint8)


def lost_frames(count, loss, burst, seed):
    """Losses of a Gilbert model."""
    random = np.random.default_rng(seed)
    to_good = 1.0 / burst
    to_bad = 0.0 if loss == 0 else to_good * loss / (1.0 - loss)
    lost, is_lost = np.zeros(count, bool), False
    for index in range(count):
        is_lost = random.random() >= to_good if is_lost else random.random() < to_bad
        lost[index] = is_lost
    return lost


def silence(frames, lost):
    return np.where(lost[:, None], 0, frames).ravel()


def repeat(frames, lost):
    """The last frame that came, at half the level of the one before."""
    heard, last = [], np.zeros(FRAME)
    for frame, is_lost in zip(frames, lost):
        last = last / 2 if is_lost else frame.astype(float)
        heard.append(last)
    return np.concatenate(heard).astype(np.int16)


def core(program, codes, lost, table):
    """What the core makes of it. It is the same signal, up to 40 ms late."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / name for name in ("speech", "lost", "heard")]
        paths[0].write_bytes(codes.tobytes())
        paths[1].write_text("".join("1" if it else "0" for it in lost))
        subprocess.run([program, *map(str, paths)], check=True)
        heard = table[np.frombuffer(paths[2].read_bytes(), np.uint8)]
    return heard.astype(np.int16)


def align(heard, reference):
    """Shifts by whole frames to where most samples agree."""
    def agreement(frames):
        a = heard[frames * FRAME :]
        b = reference[: len(a)]
        return np.count_nonzero(a[: len(b)] == b)

    best = max(range(4), key=agreement)
    heard = heard[best * FRAME :]
    return np.pad(heard, (0, max(0, len(reference) - len(heard))))[: len(reference)]


def rate(reference, heard):
    """PESQ over pieces, and PLCMOS. Its model wants 16 kHz: linear interpolation leaves the band of the phone line
    with the images that the model rates least, 3.71 for speech without loss; a filter has 3.58."""
    starts = range(0, len(reference) - PIECE // 2, PIECE)
    pieces = [slice(start, start + PIECE) for start in starts]
    scores = [pesq(RATE, reference[piece], heard[piece], "nb") for piece in pieces]
    places = np.arange(2 * len(heard)) / 2
    wide = np.interp(places, np.arange(len(heard)), heard / 32_768.0)
    wide = wide / max(1.0, np.abs(wide).max())
    return np.mean(scores), np.mean([plcmos.run(wide, sr=2 * RATE)["plcmos"] for _ in range(RUNS)])


def main(program, folder):
    table = mulaw_table()
    codes = encode(speech(folder).astype(np.int32), table)
    reference = table[codes].astype(np.int16)
    frames = reference.reshape(-1, FRAME)
    print("| loss / burst | silence | repeat 1/2 | the core |\n|---|---|---|---|")
    for loss, burst in CONDITIONS:
        scores = {"silence": [], "repeat": [], "core": []}
        for seed in SEEDS:
            lost = lost_frames(len(frames), loss, burst, seed)
            heard = {
                "silence": silence(frames, lost),
                "repeat": repeat(frames, lost),
                "core": align(core(program, codes, lost, table), reference),
            }
            for name, signal in heard.items():
                scores[name].append(rate(reference, signal.astype(np.int16)))
        means = [np.mean(scores[name], axis=0) for name in scores]
        cells = " | ".join(f"{pesq_:.2f} / {mos:.2f}" for pesq_, mos in means)
        print(f"| {loss:.0%} / {burst} | {cells} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
