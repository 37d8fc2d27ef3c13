"""Makes phone_band.mllr: python phone_band.py OUT.mllr WAV...

Each WAV is wide-band speech (16 kHz, 16-bit, mono). It is heard twice, as it is and as `sphinx_engine.widen` gives it after the
phone line, and a linear map from the one's features to the other's is fitted for each of the model's three streams (cepstra, first
and second differences). Applied to the means of the model (maximum-likelihood linear regression, one class), the map moves them to
where phone speech has them.

The file in this folder was made from 26 sentences of the gateway's voices in six languages, at their 16 kHz; none is a sentence of a
test. Words wrong over 32 phrases of digits, numbers and commands, each at three speeds and three pitches: 24 of 774 with the map.
On 25 of the phrases, before other changes: 26 of 76 without a map, 3 with one.
"""

import sys
import wave

import numpy

from sphinx_engine import widen

RATE, FILTERS, CEPSTRA, LIFTER = 16_000, 25, 13, 22
WINDOW, HOP, POINTS = 410, 160, 512
LOWEST_HZ, HIGHEST_HZ = 130, 6_800
# Where the band of the line begins to end.
EDGE_HZ = 3_600


def features(samples):
    """The model's three streams for a signal, with the mean of the cepstra taken off."""
    signal = numpy.frombuffer(samples, "<i2").astype(float)
    signal = numpy.append(signal[0], signal[1:] - 0.97 * signal[:-1])
    frames = numpy.arange(1 + (len(signal) - WINDOW) // HOP)[:, None] * HOP + numpy.arange(WINDOW)
    power = numpy.abs(numpy.fft.rfft(signal[frames] * numpy.hamming(WINDOW), POINTS)) ** 2
    cepstra = numpy.log(power @ filters().T + 1) @ cosines().T
    cepstra -= cepstra.mean(0)
    count = len(cepstra)
    padded = numpy.pad(cepstra, ((3, 3), (0, 0)), "edge")
    at = lambda shift: padded[3 + shift : 3 + shift + count]
    return [cepstra, at(2) - at(-2), (at(3) - at(-1)) - (at(1) - at(-3))]


def filters():
    """Triangles of equal area, equally spaced on the mel scale, with their edges on the lines of the spectrum."""
    mel = lambda hz: 2595 * numpy.log10(1 + hz / 700)
    edges = 700 * (10 ** (numpy.linspace(mel(LOWEST_HZ), mel(HIGHEST_HZ), FILTERS + 2) / 2595) - 1)
    line = RATE / POINTS
    edges = numpy.round(edges / line) * line
    lines = numpy.arange(POINTS // 2 + 1) * line
    rows = zip(edges, edges[1:], edges[2:])
    return numpy.array([numpy.minimum((lines - a) / (b - a), (c - lines) / (c - b)).clip(0) * 2 / (c - a) for a, b, c in rows])


def cosines():
    """The orthonormal cosine transform of the filters, with the model's lifter."""
    order, band = numpy.arange(CEPSTRA)[:, None], numpy.arange(FILTERS)
    matrix = numpy.sqrt(2 / FILTERS) * numpy.cos(numpy.pi * order * (band + 0.5) / FILTERS)
    matrix[0] = numpy.sqrt(1 / FILTERS)
    return matrix * (1 + LIFTER / 2 * numpy.sin(numpy.pi * order / LIFTER))


def phone_line(samples):
    """Half the rate, without what lies above EDGE_HZ, through mu-law."""
    signal = numpy.frombuffer(samples, "<i2").astype(float)
    signal = signal[: len(signal) // 2 * 2]
    spectrum = numpy.fft.rfft(signal)
    hz = numpy.arange(len(spectrum)) * RATE / len(signal)
    spectrum *= ((4_000 - hz) / (4_000 - EDGE_HZ)).clip(0, 1)
    narrow = numpy.fft.irfft(spectrum[: len(signal) // 4 + 1], len(signal) // 2) / 2
    return widen(mu_law(narrow).astype("<i2").tobytes())


def mu_law(signal):
    """ITU-T G.711: eight segments of sixteen steps, each segment with steps twice as long."""
    size = numpy.abs(signal).clip(0, 32_635) + 132
    step = 2 ** (numpy.floor(numpy.log2(size)) - 4)
    return numpy.sign(signal) * ((numpy.floor(size / step) + 0.5) * step - 132)


def fit(pairs):
    """Rows of the map and its offset, by least squares with a light ridge."""
    wide, narrow = (numpy.vstack(side) for side in zip(*pairs))
    wide = numpy.hstack([wide, numpy.ones((len(wide), 1))])
    solution = numpy.linalg.solve(wide.T @ wide + numpy.eye(CEPSTRA + 1), wide.T @ narrow).T
    return solution[:, :CEPSTRA], solution[:, CEPSTRA]


def main(out, *names):
    streams = [[], [], []]
    for name in names:
        with wave.open(name) as sound:
            assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (RATE, 2, 1), name
            samples = sound.readframes(sound.getnframes())
        for stream, wide, narrow in zip(streams, features(samples), features(phone_line(samples))):
            count = min(len(wide), len(narrow))
            stream.append((wide[:count], narrow[:count]))
    numbers = lambda row: " ".join(f"{value:.5f}" for value in row)
    lines = ["1", "3"]
    for stream in streams:
        matrix, offset = fit(stream)
        lines += [str(CEPSTRA), *map(numbers, matrix), numbers(offset), numbers(numpy.ones(CEPSTRA))]
    with open(out, "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
