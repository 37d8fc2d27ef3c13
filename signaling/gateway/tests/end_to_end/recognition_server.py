"""Services of speech recognition around an engine of `make speech`: transcriptions by HTTP, vosk-server's and Deepgram's WebSocket.

Usage: recognition_server.py KEY PYTHON PROGRAM. Prints `http PORT` and `ws PORT`, then a line for each thing that is wrong.
Paths: POST /v1/audio/transcriptions (with the key), POST /busy (503) · /vosk, /listen (with the key), /refuse (the handshake gets 403).
"""

import asyncio
import email.parser
import email.policy
import io
import json
import math
import struct
import subprocess
import sys
import threading
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import serve

KEY = sys.argv[1]


def say(line):
    print(line, flush=True)


class Engine:
    """The process of an engine; one utterance at a time."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lock, self.number = threading.Lock(), 0
        assert json.loads(self.process.stdout.readline())["ready"]

    def frame(self, kind, payload):
        self.process.stdin.write(kind + struct.pack("<I", len(payload)) + payload)

    def recognise(self, audio):
        with self.lock:
            self.number += 1
            start = {"id": self.number, "language": "en-US", "hints": [], "grammar": False, "partial": False}
            self.frame(b"S", json.dumps(start).encode())
            self.frame(b"A", struct.pack("<I", self.number) + audio)
            self.frame(b"E", json.dumps({"id": self.number}).encode())
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
            return answer["final"], answer["confidence"]


engine = Engine(sys.argv[2:])


class Transcriptions(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/busy":
            return self.answer(503, {"error": "all models are busy"})
        if self.headers["Authorization"] != f"Bearer {KEY}":
            return self.answer(401, {"error": "no key"})
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        fields = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in form.iter_parts()}
        expected = {"model": b"tiny.en", "language": b"en", "response_format": b"verbose_json", "temperature": b"0"}
        for name, value in expected.items():
            if fields.get(name) != value:
                say(f"wrong: {name} is {fields.get(name)!r}")
        with wave.open(io.BytesIO(fields["file"])) as sound:
            if (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) != (8000, 2, 1):
                say(f"wrong: {sound.getparams()}")
            audio, seconds = sound.readframes(sound.getnframes()), sound.getnframes() / 8000
        text, confidence = engine.recognise(audio)
        segment = {"start": 0.0, "end": seconds, "text": text, "avg_logprob": math.log(max(confidence, 1e-9))}
        self.answer(200, {"text": text, "segments": [segment]})

    def answer(self, status, message):
        body = json.dumps(message).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


async def vosk(socket):
    config = json.loads(await socket.recv())
    if config != {"config": {"sample_rate": 8000, "words": True}}:
        say(f"wrong: {config}")
    audio = b""
    async for message in socket:
        if isinstance(message, str):
            if json.loads(message) != {"eof": 1}:
                say(f"wrong: {message}")
            break
        audio += message
        await socket.send(json.dumps({"partial": ""}))
    text, confidence = await asyncio.to_thread(engine.recognise, audio)
    words = [{"word": word, "conf": confidence} for word in text.split()]
    await socket.send(json.dumps({"text": text, "result": words}))


async def deepgram(socket):
    query = parse_qs(urlsplit(socket.request.path).query)
    expected = {"encoding": ["linear16"], "sample_rate": ["8000"], "channels": ["1"], "language": ["en-AU"], "model": ["nova"]}
    for name, value in expected.items():
        if query.get(name) != value:
            say(f"wrong: {name} is {query.get(name)}")
    if socket.request.headers.get("Authorization") != f"Token {KEY}":
        say("wrong: no key")
    audio = b""
    async for message in socket:
        if isinstance(message, str):
            if json.loads(message) != {"type": "CloseStream"}:
                say(f"wrong: {message}")
            break
        audio += message
    text, confidence = await asyncio.to_thread(engine.recognise, audio)
    alternative = {"transcript": text, "confidence": confidence}
    await socket.send(json.dumps({"type": "Results", "is_final": True, "channel": {"alternatives": [alternative]}}))
    await socket.send(json.dumps({"type": "Metadata"}))


async def on_socket(socket):
    await (vosk if socket.request.path == "/vosk" else deepgram)(socket)


def on_handshake(connection, request):
    if request.path == "/refuse":
        return connection.respond(403, "no")


async def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Transcriptions)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    async with serve(on_socket, "127.0.0.1", 0, process_request=on_handshake) as sockets:
        say(f"http {server.server_address[1]}")
        say(f"ws {sockets.sockets[0].getsockname()[1]}")
        await sockets.serve_forever()


asyncio.run(main())
