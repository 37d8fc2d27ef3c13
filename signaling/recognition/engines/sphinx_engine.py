"""Short answers by a grammar, with PocketSphinx: digits, numbers, commands and hints. English.

The model was trained on wide-band speech, and a phone line has nothing above 4 kHz. `phone_band.mllr` moves the means of the model
to where phone speech has them (phone_band.py tells how it was made); it fits the linear interpolation of `widen`, so the engine
takes 8 kHz and makes 16 kHz itself.

An utterance is decoded as a whole when it ends: the mean of its cepstra is then known, which misses half as many words as the
running mean. It costs 0.02 s of processor time a second of speech; the confidence costs the same again. A grammar always finds
something, so the confidence compares its path with a free path over phones: words of the grammar lose little against it, others
much. Below CONFIDENCE_MIN the answer is that nothing was understood.
"""

import array
import collections
import math
import os
import sys

import pocketsphinx

import wire
from grammar import Grammar

RATE = 8000
# The mean of the cepstra needs silence around the words; a caller who talks at once gives none.
PAD = bytes(2 * 2 * RATE // 5)
# Grammars that stay compiled. A call asks for the one of its menu again and again.
GRAMMARS_MAX = 32
# Loss of the grammar's path against the phones', in units of the model a frame of speech, at which right and wrong are equally
# likely, and how fast that changes. From 30 phrases inside and 13 outside the grammar.
EVEN_LOSS, STEEPNESS = 3.3, 4.0
# The silence around the words loses too, as much as this number of frames of 10 ms of speech.
EDGE_FRAMES = 40
CONFIDENCE_MIN = 0.3
PHONES = "phones"
HERE = os.path.dirname(os.path.abspath(__file__))


class Sphinx:
    facts = {"engine": "pocketsphinx", "rate": RATE, "languages": ["en-US"], "grammar": True, "free": False}
    partial_every_s = 0.8

    def __init__(self):
        self.decoder = pocketsphinx.Decoder(
            lm=None,
            loglevel="ERROR",
            mllr=os.path.join(HERE, "phone_band.mllr"),
            # A penalty a word: short words are otherwise found in breath and clicks.
            wip=0.003,
            # People pause between digits; the default takes a pause for another word.
            silprob=0.4,
            bestpath=False,
        )
        self.decoder.add_allphone_file(PHONES, None)
        self.grammars = collections.OrderedDict()
        self.made = 0

    def refusal(self, utterance):
        return None if utterance.is_grammar else "this engine takes no free text"

    def recognise(self, utterance, audio):
        name, grammar = self.grammar(tuple(utterance.hints))
        samples = PAD + widen(audio) + PAD
        words, score, frames = self.decode(name, samples)
        if not words:
            return "", 0.0
        _, best, _ = self.decode(PHONES, samples)
        confidence = 1 / (1 + math.exp(STEEPNESS * ((best - score) / (frames + EDGE_FRAMES) - EVEN_LOSS)))
        if confidence < CONFIDENCE_MIN:
            return "", confidence
        return grammar.text(words), confidence

    def decode(self, search, samples):
        """Words, score of the path, frames inside words."""
        decoder = self.decoder
        decoder.activate_search(search)
        decoder.start_utt()
        decoder.process_raw(samples, False, True)
        decoder.end_utt()
        found = decoder.hyp()
        if found is None or not found.hypstr:
            return "", 0.0, 1
        spoken = (part for part in decoder.seg() if not part.word.startswith(("<", "[", "SIL", "+")))
        frames = sum(part.end_frame - part.start_frame + 1 for part in spoken)
        # The library keeps scores in 1,024ths.
        return found.hypstr, 1024 * math.log(found.score), frames

    def grammar(self, hints):
        if hints in self.grammars:
            self.grammars.move_to_end(hints)
            return self.grammars[hints]
        grammar = Grammar(hints, lambda word: self.decoder.lookup_word(word) is not None)
        if grammar.unknown:
            print(f"hints with words that the dictionary lacks: {' '.join(grammar.unknown)}", file=sys.stderr, flush=True)
        while len(self.grammars) >= GRAMMARS_MAX:
            _, (oldest, _) = self.grammars.popitem(last=False)
            # The active search cannot be removed.
            self.decoder.activate_search(PHONES)
            self.decoder.remove_search(oldest)
        self.made += 1
        name = f"grammar-{self.made}"
        self.decoder.add_jsgf_string(name, grammar.jsgf)
        self.grammars[hints] = name, grammar
        return name, grammar


def widen(audio):
    """8 kHz as 16 kHz by linear interpolation, which is what the adaptation of the model was made for."""
    samples = array.array("h", audio)
    if sys.byteorder == "big":
        samples.byteswap()
    wide = array.array("h", bytes(4 * len(samples)))
    wide[1::2] = samples
    wide[0::2] = array.array("h", ((a + b) // 2 for a, b in zip([0, *samples], samples)))
    if sys.byteorder == "big":
        wide.byteswap()
    return wide.tobytes()


if __name__ == "__main__":
    wire.serve(Sphinx())
