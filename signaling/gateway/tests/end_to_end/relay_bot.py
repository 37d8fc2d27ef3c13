"""A conversation by text for the tests, on PyPI's `websockets`.

Prints `listening PORT`, then `request PATH HOST SIGNATURE`, each message as `got JSON`, and `closed CODE`. Key 1 has a long
answer streamed token by token, key 2 a file (PATH is then the URL of the file), key 3 a message that does not conform,
key 4 another language, key 5 keys for the caller, key 9 ends the session with data. A prompt is said back.
"""

import asyncio
import json
import sys

from websockets.asyncio.server import serve

FILE = sys.argv[1] if len(sys.argv) > 1 else ""
LONG = "One two three four. " * 12


def say(*words):
    print(*words, flush=True)


async def answer(socket, text):
    # As a language model streams: a few characters at a time, the last one empty.
    for at in range(0, len(text), 7):
        await socket.send(json.dumps({"type": "text", "token": text[at : at + 7], "last": False}))
    await socket.send(json.dumps({"type": "text", "token": "", "last": True}))


async def on_digit(socket, digit):
    messages = {
        "2": {"type": "play", "source": FILE},
        "3": {"type": "sing", "token": "la"},
        "4": {"type": "text", "token": "Guten Tag.", "last": True, "lang": "de-DE"},
        "5": {"type": "sendDigits", "digits": "77"},
        "9": {"type": "end", "handoffData": json.dumps({"reason": "nine"})},
    }
    if digit == "1":
        await answer(socket, LONG)
    elif digit in messages:
        await socket.send(json.dumps(messages[digit]))


async def talk(socket):
    request = socket.request
    say("request", request.path, request.headers["Host"], request.headers["X-Twilio-Signature"])
    async for text in socket:
        say("got", text)
        message = json.loads(text)
        if message["type"] == "dtmf":
            await on_digit(socket, message["digit"])
        elif message["type"] == "prompt" and message["last"]:
            await answer(socket, message["voicePrompt"])
    say("closed", socket.close_code)


async def main():
    async with serve(talk, "127.0.0.1", 0) as server:
        say("listening", server.sockets[0].getsockname()[1])
        await server.serve_forever()


asyncio.run(main())
