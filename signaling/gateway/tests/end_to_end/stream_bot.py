"""A WebSocket server of an application, with PyPI's `websockets`: checks every message, and answers as its path says.

Usage: stream_bot.py [CERTIFICATE KEY]. Prints `listening PORT`, then a line for each thing of note; what is wrong with a
message is a line that begins with `wrong:`. Paths:
/echo   returns the party's audio, a mark behind every tenth piece; key 9 closes
/burst  on key 1: 10 s of audio at once and the mark `long`; on key 2: clear, then a short sound and the mark `short`
/bad    sends what no stream takes, then echoes
/listen only counts
/crowd  counts without a look inside, and speaks a second for each that it got, ten times
/refuse the handshake is answered with 403
/error  closes with 1011
/minutes sends 11 minutes of audio at once, then is silent
/bytes  sends a second of audio in messages of one byte, and the mark `bytes`
/long   sends messages up to the longest, then one that is longer
/marks  sends 20,000 marks behind ten seconds of audio, then closes
/half   is silent in the middle of a message for ever
/vanish breaks the TCP connection
"""

import asyncio
import base64
import json
import ssl
import sys
from http import HTTPStatus

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

MESSAGE_BYTES_MAX = 1 << 20
SOUND = bytes([0x2A]) * 160


def say(line):
    print(line, flush=True)


class Checks:
    """The order and the fields of the gateway's messages."""

    def __init__(self):
        self.number = 0
        self.start = None
        self.chunks = {}

    def wrong(self, what, message):
        say(f"wrong: {what}: {json.dumps(message)[:300]}")

    def take(self, text):
        message = json.loads(text)
        event = message.get("event")
        if event == "connected":
            if message != {"event": "connected", "protocol": "Call", "version": "1.0.0"}:
                self.wrong("connected", message)
            return message
        self.number += 1
        if message.get("sequenceNumber") != str(self.number):
            self.wrong(f"sequenceNumber is not {self.number}", message)
        if event == "start":
            self.start = message["start"]
            if set(message) != {"event", "sequenceNumber", "start", "streamSid"}:
                self.wrong("keys of start", message)
            wanted = {"streamSid", "accountSid", "callSid", "tracks", "mediaFormat", "customParameters"}
            if set(self.start) != wanted or self.start["streamSid"] != message["streamSid"]:
                self.wrong("start", message)
            if self.start["mediaFormat"] != {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}:
                self.wrong("mediaFormat", message)
            return message
        if message.get("streamSid") != self.start["streamSid"]:
            self.wrong("streamSid", message)
        if event == "media":
            media = message["media"]
            if set(media) != {"track", "chunk", "timestamp", "payload"}:
                self.wrong("keys of media", message)
            track = media["track"]
            if track not in self.start["tracks"]:
                self.wrong("track", message)
            chunk = self.chunks[track] = self.chunks.get(track, 0) + 1
            if (media["chunk"], media["timestamp"]) != (str(chunk), str(chunk * 20)):
                self.wrong(f"chunk {chunk}", message)
            if len(base64.b64decode(media["payload"])) != 160:
                self.wrong("payload", message)
        elif event == "dtmf":
            if message["dtmf"]["track"] != "inbound_track":
                self.wrong("dtmf", message)
        elif event == "stop":
            if message["stop"] != {"accountSid": self.start["accountSid"], "callSid": self.start["callSid"]}:
                self.wrong("stop", message)
        elif event != "mark":
            self.wrong("event", message)
        return message


class Talk:
    """One stream."""

    def __init__(self, socket):
        self.socket = socket
        self.path = socket.request.path
        self.checks = Checks()
        self.sid = None
        self.pieces = 0
        # Messages in each direction.
        self.got = 0
        self.said = 0

    async def send(self, event, **fields):
        self.said += 1
        await self.socket.send(json.dumps({"event": event, "streamSid": self.sid, **fields}))

    async def play(self, audio):
        await self.send("media", media={"payload": base64.b64encode(audio).decode()})

    async def mark(self, name):
        await self.send("mark", mark={"name": name})

    async def run(self):
        headers = self.socket.request.headers
        say(f"request {self.path} {headers['Host']} {headers['X-Twilio-Signature']} {headers['User-Agent']}")
        try:
            await self.talk()
        except ConnectionClosed:
            pass
        counts = " ".join(f"{track}={count}" for track, count in sorted(self.checks.chunks.items()))
        say(f"closed {self.path} {self.socket.close_code} {counts} got={self.got} said={self.said}")

    async def talk(self):
        async for text in self.socket:
            if not isinstance(text, str):
                say("wrong: a binary message")
                continue
            self.got += 1
            if self.path == "/crowd" and self.got > 2:
                if self.got % 50 == 0 and self.said < 10:
                    await self.play(SOUND * 50)
                continue
            message = self.checks.take(text)
            await self.on(message["event"], message)

    async def on(self, event, message):
        if event == "start":
            self.sid = message["streamSid"]
            say(f"start {json.dumps(message['start'])}")
            if self.path == "/error":
                await self.socket.close(1011, "out of order")
            if self.path == "/bad":
                await self.misbehave()
            if self.path in EXCESSES:
                await EXCESSES[self.path](self)
        elif event == "media" and self.path in ("/echo", "/bad"):
            await self.play(base64.b64decode(message["media"]["payload"]))
            self.pieces += 1
            if self.pieces % 10 == 0:
                await self.mark("piece")
        elif event == "media" and self.path == "/listen":
            if base64.b64decode(message["media"]["payload"]) == SOUND:
                say(f"heard {message['media']['track']}")
        elif event == "mark":
            say(f"mark {message['mark']['name']} after {sum(self.checks.chunks.values())}")
        elif event == "dtmf":
            digit = message["dtmf"]["digit"]
            say(f"digit {digit}")
            if digit == "9":
                await self.socket.close()
            elif digit == "1":
                await self.play(SOUND * 500)
                await self.mark("long")
            elif digit == "2":
                await self.send("clear")
                await self.play(SOUND[:100])
                await self.mark("short")
        elif event == "stop":
            say("stop")

    async def misbehave(self):
        await self.socket.send(b"\x00\x01")
        await self.socket.send("{")
        await self.socket.send(json.dumps({"event": "media", "streamSid": "MZ1", "media": {"payload": ""}}))
        await self.send("media", media={"payload": "***"})
        await self.send("dance")
        say("misbehaved")


    async def minutes(self):
        for _ in range(11 * 60):
            await self.play(SOUND * 50)
        say("burst")

    async def bytes(self):
        for _ in range(8_000):
            await self.play(SOUND[:1])
        await self.mark("bytes")

    async def long(self):
        # As long as a message may be: 3 bytes of audio are 4 letters.
        head = len(json.dumps({"event": "media", "streamSid": self.sid, "media": {"payload": ""}}))
        await self.play(SOUND[:1] * ((MESSAGE_BYTES_MAX - head) // 4 * 3))
        await self.mark("taken")
        await self.send("clear")
        await self.socket.send("x" * (MESSAGE_BYTES_MAX + 1))
        say("sent too much")

    async def marks(self):
        await self.play(SOUND * 500)
        for number in range(20_000):
            await self.mark(f"mark-{number}")
        await self.socket.close()

    async def half(self):
        # The head of a text message of 100 bytes from a server, and one byte of it.
        self.socket.transport.write(bytes([0x81, 100]) + b"{")
        say("half")

    async def vanish(self):
        self.socket.transport.abort()


EXCESSES = {
    "/minutes": Talk.minutes,
    "/bytes": Talk.bytes,
    "/long": Talk.long,
    "/marks": Talk.marks,
    "/half": Talk.half,
    "/vanish": Talk.vanish,
}


def refuse(connection, request):
    if request.path == "/refuse":
        return connection.respond(HTTPStatus.FORBIDDEN, "this bot is asleep\n")
    return None


async def main():
    tls = None
    if len(sys.argv) > 1:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(sys.argv[1], sys.argv[2])
    async with serve(lambda one: Talk(one).run(), "127.0.0.1", 0, ssl=tls, process_request=refuse) as server:
        say(f"listening {server.sockets[0].getsockname()[1]}")
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
