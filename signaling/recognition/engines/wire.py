"""The wire between the gateway and a recognition engine, for the engine's side. signaling/contract/recognition.md has the wire.

    main thread   reads frames, keeps the audio of open utterances, queues a job at the end of an utterance
    worker thread one job after the other: recognises, writes one line

The main thread never recognises, so that a slow job does not stop the pipe: the gateway fails utterances whose audio it cannot
write. One worker, because an engine is one core: more cores are more processes.

    (start) -> open -(end)-> queued -> answered
                 |             |
                 +--(cancel)---+-> forgotten
"""

import json
import queue
import struct
import sys
import threading

# Largest frame. The gateway sends 20 ms a frame; a test may send an utterance as one.
FRAME_BYTES_MAX = 1 << 20
# Utterances that are open or queued. Past it a start fails.
UTTERANCES_MAX = 64
# Samples of an utterance are 16-bit. Past this length the utterance fails: a phone call's turn is at most a minute.
UTTERANCE_S_MAX = 60
# Hints of an utterance, and characters of one. The rest is ignored, as the gateway refuses them before.
HINTS_MAX, HINT_CHARS_MAX = 500, 100


class WireError(Exception):
    """The gateway's side broke the wire. The process ends."""


class Utterance:
    """Audio as it arrived, and what the start asked for."""

    def __init__(self, start):
        self.id = start["id"]
        self.language = str(start.get("language", ""))
        hints = start.get("hints") or []
        self.hints = [str(hint)[:HINT_CHARS_MAX] for hint in hints[:HINTS_MAX]]
        self.is_grammar = bool(start.get("grammar"))
        self.wants_partials = bool(start.get("partial"))
        self.audio = bytearray()
        # Bytes of audio at the last partial result.
        self.partial_at = 0
        # Set by a cancel; the worker looks at it before it works and before it writes.
        self.is_cancelled = False
        self.is_partial_queued = False


def read_frame(source):
    """The next (kind, payload); None at the end of the input."""
    head = read_exactly(source, 5)
    if head is None:
        return None
    kind, length = struct.unpack("<cI", head)
    if length > FRAME_BYTES_MAX:
        raise WireError(f"a frame has {length} bytes")
    payload = read_exactly(source, length)
    if payload is None:
        raise WireError("the input ends inside a frame")
    return kind, payload


def read_exactly(source, count):
    """Exactly `count` bytes; None where the input ends before the first one."""
    parts = b""
    while len(parts) < count:
        part = source.read(count - len(parts))
        if not part:
            if parts:
                raise WireError("the input ends inside a frame")
            return b"" if count == 0 else None
        parts += part
    return parts


class Session:
    """One process of an engine between its pipes.

    The engine has `facts` (the fields of its first line), `refusal(utterance)` (a reason not to take it, or None),
    `recognise(utterance, audio)` (text and confidence, 0 to 1) and `partial_every_s` (0: it gives no partial results).
    """

    def __init__(self, engine, source, sink):
        self.engine, self.source, self.sink = engine, source, sink
        self.open = {}
        # Utterances that have ended and are not answered.
        self.ended = {}
        self.jobs = queue.Queue()
        self.unanswered = 0
        self.lock = threading.Lock()
        self.bytes_max = UTTERANCE_S_MAX * engine.facts["rate"] * 2

    def run(self):
        """Serves until the input ends, and answers what was asked before."""
        worker = threading.Thread(target=self.work, daemon=True)
        worker.start()
        self.write({"ready": True, **self.engine.facts})
        try:
            while (frame := read_frame(self.source)) is not None:
                self.take(*frame)
        finally:
            self.jobs.put(None)
            worker.join()

    def take(self, kind, payload):
        if kind == b"A":
            if len(payload) < 4 or len(payload) % 2:
                raise WireError("audio without a whole number of samples")
            self.audio(struct.unpack_from("<I", payload)[0], payload[4:])
            return
        message = parse(payload)
        if kind == b"S":
            self.start(Utterance(message))
        elif kind == b"E":
            self.end(message["id"])
        elif kind == b"X":
            self.cancel(message["id"])
        else:
            raise WireError(f"unknown kind of frame {kind!r}")

    def start(self, utterance):
        with self.lock:
            is_full = self.unanswered + len(self.open) >= UTTERANCES_MAX
        reason = f"{UTTERANCES_MAX} utterances wait" if is_full else self.engine.refusal(utterance)
        if reason:
            self.write({"id": utterance.id, "failed": reason})
        else:
            self.open[utterance.id] = utterance

    def audio(self, number, samples):
        # Audio of an utterance that failed or was cancelled is on its way for a while.
        utterance = self.open.get(number)
        if utterance is None:
            return
        utterance.audio += samples
        if len(utterance.audio) > self.bytes_max:
            self.cancel(number)
            self.write({"id": number, "failed": f"an utterance is longer than {UTTERANCE_S_MAX} s"})
        elif self.is_partial_due(utterance):
            utterance.is_partial_queued = True
            utterance.partial_at = len(utterance.audio)
            self.queue(utterance, bytes(utterance.audio), is_final=False)

    def is_partial_due(self, utterance):
        """Partial results are for an idle engine: a final one that somebody waits for comes first."""
        every = self.engine.partial_every_s * self.engine.facts["rate"] * 2
        if not (every and utterance.wants_partials) or utterance.is_partial_queued:
            return False
        with self.lock:
            is_idle = self.unanswered == 0
        return is_idle and len(utterance.audio) - utterance.partial_at >= every

    def end(self, number):
        utterance = self.open.pop(number, None)
        if utterance is not None:
            self.ended[number] = utterance
            self.queue(utterance, bytes(utterance.audio), is_final=True)
            utterance.audio.clear()

    def cancel(self, number):
        utterance = self.open.pop(number, None) or self.ended.pop(number, None)
        if utterance is not None:
            utterance.is_cancelled = True

    def queue(self, utterance, audio, is_final):
        with self.lock:
            self.unanswered += 1
        self.jobs.put((utterance, audio, is_final))

    def work(self):
        while (job := self.jobs.get()) is not None:
            line = self.answer(*job)
            with self.lock:
                self.unanswered -= 1
            if job[2]:
                self.ended.pop(job[0].id, None)
            if line and not job[0].is_cancelled:
                self.write({"id": job[0].id, **line})

    def answer(self, utterance, audio, is_final):
        """The line of a job; None where there is nothing to say."""
        if utterance.is_cancelled:
            return None
        try:
            text, confidence = self.engine.recognise(utterance, audio)
        except Exception as error:  # One bad utterance must not end the others.
            print(f"utterance {utterance.id}: {error!r}", file=sys.stderr, flush=True)
            return {"failed": f"the engine failed: {type(error).__name__}"} if is_final else None
        if is_final:
            return {"final": text, "confidence": round(confidence, 3)}
        utterance.is_partial_queued = False
        # The final result is next where the utterance has ended meanwhile.
        is_open = utterance.id in self.open
        return {"partial": text, "stability": round(confidence, 3)} if text and is_open else None

    def write(self, message):
        line = json.dumps(message).encode() + b"\n"
        with self.lock:
            self.sink.write(line)
            self.sink.flush()


def parse(payload):
    """The JSON object of a frame; it has an id."""
    try:
        message = json.loads(payload)
    except ValueError as error:
        raise WireError(f"a frame is not JSON: {error}") from error
    if not isinstance(message, dict) or not isinstance(message.get("id"), int):
        raise WireError("a frame has no id")
    return message


def serve(engine):
    """The main function of an engine."""
    # Libraries print to standard output; the pipe is for answers only.
    sink, sys.stdout = sys.stdout.buffer, sys.stderr
    try:
        Session(engine, sys.stdin.buffer, sink).run()
    except BrokenPipeError:
        pass  # The gateway is gone.
    except WireError as error:
        sys.exit(f"engine: {error}")
