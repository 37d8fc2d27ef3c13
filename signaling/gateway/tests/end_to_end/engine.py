"""An engine of the tests: it speaks the language of recognition.md 3 and understands nothing.

A word for each half second of audio, or what the first hint asks for. `@die`, `@fail`, `@silent`, `@nothing` misbehave; any
other first hint of a grammar is the result. With `hold` as third argument results of free text wait until an utterance with
the hint `@release` has ended; a cancel drops one that waits."""

import json
import struct
import sys

RATE = int(sys.argv[1]) if len(sys.argv) > 1 else 16000
KINDS = sys.argv[2] if len(sys.argv) > 2 else "gf"
HOLDS = "hold" in sys.argv[3:]
WORDS = "one two three four five six seven eight nine ten".split()


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def read(length):
    data = sys.stdin.buffer.read(length)
    if len(data) < length:
        sys.exit(0)
    return data


class Utterance:
    def __init__(self, start):
        self.start, self.samples, self.told = start, 0, 0
        self.hint = (start["hints"] or [""])[0]

    def words(self):
        return " ".join(WORDS[: min(len(WORDS), max(1, round(self.samples / RATE * 2)))])

    def audio(self, ident, samples):
        self.samples += samples
        halves = int(self.samples / RATE * 2)
        if self.start["partial"] and halves > self.told:
            self.told = halves
            say(id=ident, partial=self.words(), stability=0.5)

    def end(self, ident):
        if self.hint == "@die":
            sys.exit("as asked")
        if self.hint == "@fail":
            say(id=ident, failed="as asked")
        elif self.hint == "@nothing":
            say(id=ident, final="")
        elif self.hint != "@silent":
            text = self.hint if self.start["grammar"] and self.hint else self.words()
            held[ident] = dict(id=ident, final=text, confidence=0.93)
            if self.start["grammar"] or not holds:
                say(**held.pop(ident))


say(ready=True, engine="test", rate=RATE, languages=["en-US"], grammar="g" in KINDS, free="f" in KINDS, stops=HOLDS)
utterances, held, holds = {}, {}, HOLDS
while True:
    kind, length = struct.unpack("<cI", read(5))
    payload = read(length)
    if kind == b"A":
        ident = struct.unpack("<I", payload[:4])[0]
        utterances[ident].audio(ident, (length - 4) // 2)
        continue
    message = json.loads(payload)
    ident = message["id"]
    if kind == b"S":
        assert ident not in utterances, "an id is used once"
        utterances[ident] = Utterance(message)
    elif kind == b"E":
        utterance = utterances.pop(ident)
        utterance.end(ident)
        if utterance.hint == "@release":
            holds = False
            while held:
                say(**held.popitem()[1])
    elif kind == b"X":
        utterances.pop(ident, None)
        held.pop(ident, None)
