"""What the vendor's demo finds behind port 443 of its hosts: TLS in front of itself, and a stand-in for the Realtime API.

Usage: vendor_rig.py CERTIFICATE KEY [DEMO_PORT]. 127.0.0.1:443 ends TLS and passes on to the demo; 127.0.0.2:443 is the API. Once the
model has heard half a second of the caller it answers with three seconds of a sound in six pieces, all at once; after another half
second it says that speech started, and speaks again when the demo has truncated.
"""

import asyncio
import base64
import json
import ssl
import sys

from websockets.asyncio.server import serve

CERTIFICATE, KEY = sys.argv[1:3]
DEMO_PORT = sys.argv[3] if len(sys.argv) > 3 else None
CALLER, ANSWER, AFTERWARDS = 0x11, 0x2A, 0x15


def say(line):
    print(line, flush=True)


async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def pass_on(reader, writer):
    try:
        there = await asyncio.open_connection("127.0.0.1", int(DEMO_PORT))
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))
    except OSError:
        writer.close()


class Model:
    def __init__(self, socket):
        self.socket = socket
        self.heard_ms = 0
        self.state = "waiting"

    async def run(self):
        say(f"model {self.socket.request.headers['Authorization']}")
        async for text in self.socket:
            event = json.loads(text)
            if event["type"] == "session.update":
                say(f"session {event['session']['audio']['output']['format']['type']}")
            elif event["type"] == "input_audio_buffer.append":
                await self.hear(base64.b64decode(event["audio"]))
            elif event["type"] == "conversation.item.truncate":
                say(f"truncated {event['item_id']} {event['audio_end_ms']}")
                await self.speak("after", AFTERWARDS, 2)

    async def hear(self, audio):
        self.heard_ms = self.heard_ms + len(audio) // 8 if set(audio) == {CALLER} else 0
        if self.heard_ms < 500:
            return
        self.heard_ms = 0
        if self.state == "waiting":
            self.state = "answered"
            await self.speak("item", ANSWER, 6)
        elif self.state == "answered":
            self.state = "interrupted"
            await self.send("input_audio_buffer.speech_started", item_id="user")

    async def speak(self, item, sound, pieces):
        delta = base64.b64encode(bytes([sound]) * 4000).decode()
        for _ in range(pieces):
            await self.send("response.output_audio.delta", item_id=item, delta=delta)

    async def send(self, kind, **fields):
        await self.socket.send(json.dumps({"type": kind, **fields}))


async def main():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE, KEY)
    if DEMO_PORT:
        front = await asyncio.start_server(pass_on, "127.0.0.1", 443, ssl=tls)
    async with serve(lambda socket: Model(socket).run(), "127.0.0.2", 443, ssl=tls):
        say("listening")
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
