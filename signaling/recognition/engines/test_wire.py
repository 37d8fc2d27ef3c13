"""Tests of the wire with an engine that answers the length of its audio."""

import io
import json
import struct
import threading
import unittest

import wire


def frame(kind, payload):
    payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return kind + struct.pack("<I", len(payload)) + payload


def audio(number, samples):
    return frame(b"A", struct.pack("<I", number) + bytes(2 * samples))


class Lengths:
    facts = {"engine": "lengths", "rate": 8000, "languages": ["en-US"], "grammar": True, "free": False}
    partial_every_s = 0

    def refusal(self, utterance):
        return "only grammars" if not utterance.is_grammar else None

    def recognise(self, utterance, audio):
        if "break" in utterance.hints:
            raise ValueError("broken")
        return f"{len(audio) // 2} samples", 0.5


class Pipe:
    """Input whose next frame waits until the engine has written a number of lines."""

    def __init__(self, *steps):
        self.steps, self.bytes, self.lines = list(steps), b"", 0
        self.written = threading.Condition()

    def write(self, line):
        with self.written:
            self.lines += 1
            self.written.notify()

    def flush(self):
        pass

    def read(self, count):
        while not self.bytes and self.steps:
            step = self.steps.pop(0)
            if isinstance(step, int):
                with self.written:
                    assert self.written.wait_for(lambda: self.lines >= step, 10), "the engine wrote nothing"
            else:
                self.bytes = step
        part, self.bytes = self.bytes[:count], self.bytes[count:]
        return part


def answers(*frames, engine=None):
    """The lines of an engine after its first, for an input that ends."""
    sink = io.BytesIO()
    wire.Session(engine or Lengths(), io.BytesIO(b"".join(frames)), sink).run()
    lines = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert lines[0] == {"ready": True, **Lengths.facts}
    return lines[1:]


def start(number, **more):
    return frame(b"S", {"id": number, "language": "en-US", "hints": [], "grammar": True, "partial": False, **more})


class WireTest(unittest.TestCase):
    def test_utterances_side_by_side_have_one_answer_each(self):
        found = answers(
            start(1), start(2), audio(1, 80), audio(2, 160), audio(1, 80), frame(b"E", {"id": 2}), frame(b"E", {"id": 1})
        )
        self.assertEqual(found, [
            {"id": 2, "final": "160 samples", "confidence": 0.5},
            {"id": 1, "final": "160 samples", "confidence": 0.5},
        ])

    def test_a_cancelled_utterance_has_no_answer_and_its_late_frames_are_ignored(self):
        self.assertEqual(answers(start(1), audio(1, 9), frame(b"X", {"id": 1}), audio(1, 9), frame(b"E", {"id": 1})), [])

    def test_an_utterance_that_is_cancelled_while_it_is_queued_is_not_recognised(self):
        pipe = Pipe()

        class Busy(Lengths):
            def __init__(self):
                self.recognised, self.go_on = 0, threading.Event()

            def recognise(self, utterance, audio):
                self.recognised += 1
                assert self.go_on.wait(10), "nothing was cancelled"
                return super().recognise(utterance, audio)

        engine = Busy()
        lines = []
        session = wire.Session(engine, None, pipe)
        pipe.write = lambda line: lines.append(json.loads(line))
        worker = threading.Thread(target=session.work)
        worker.start()
        for number in (1, 2):
            session.start(wire.Utterance({"id": number, "grammar": True}))
            session.end(number)
        session.cancel(2)
        engine.go_on.set()
        session.jobs.put(None)
        worker.join(10)
        self.assertEqual((engine.recognised, [line["id"] for line in lines]), (1, [1]))
        self.assertEqual((session.unanswered, session.ended), (0, {}))

    def test_what_the_engine_does_not_take_fails_by_name(self):
        found = answers(start(1, grammar=False), audio(1, 9), frame(b"E", {"id": 1}))
        self.assertEqual(found, [{"id": 1, "failed": "only grammars"}])

    def test_an_engine_that_breaks_fails_one_utterance(self):
        found = answers(start(1, hints=["break"]), frame(b"E", {"id": 1}), start(2), frame(b"E", {"id": 2}))
        self.assertEqual(found[0], {"id": 1, "failed": "the engine failed: ValueError"})
        self.assertEqual(found[1]["final"], "0 samples")

    def test_utterances_and_their_audio_are_bounded(self):
        found = answers(*(start(number) for number in range(wire.UTTERANCES_MAX + 1)))
        self.assertEqual(found, [{"id": wire.UTTERANCES_MAX, "failed": "64 utterances wait"}])
        second = audio(1, 8000)
        found = answers(start(1), *[second] * 61, frame(b"E", {"id": 1}))
        self.assertEqual(found, [{"id": 1, "failed": "an utterance is longer than 60 s"}])

    def test_partial_results_come_while_the_engine_is_idle(self):
        engine = Lengths()
        engine.partial_every_s = 1
        pipe = Pipe(start(1, partial=True), audio(1, 8000), 2, audio(1, 4000), audio(1, 4000), 3, frame(b"E", {"id": 1}))
        lines = []
        write = pipe.write
        pipe.write = lambda line: (lines.append(json.loads(line)), write(line))
        wire.Session(engine, pipe, pipe).run()
        self.assertEqual([line.get("partial") or line.get("final") for line in lines[1:]], [
            "8000 samples", "16000 samples", "16000 samples",
        ])

    def test_a_broken_wire_ends_the_process_by_name(self):
        for bad in (
            frame(b"Z", {"id": 1}), frame(b"S", b"{"), frame(b"S", b"[]"), frame(b"E", {}), frame(b"A", b"\1\0\0"),
            b"S\xff\xff\xff\xff", start(1)[:-3], b"S\1",
        ):
            with self.subTest(bad), self.assertRaises(wire.WireError):
                answers(bad)


if __name__ == "__main__":
    unittest.main()
