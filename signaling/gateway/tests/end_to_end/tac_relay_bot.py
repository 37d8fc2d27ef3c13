"""The vendor's agent framework with its default provider, ConversationRelay, unmodified, on https://127.0.0.1.

Usage: tac_relay_bot.py CERTIFICATE KEY ACCOUNT TOKEN. It serves /twiml and /ws, and checks the signature of both. The agent says
back what it heard, at length. Prints `listening`, `heard TEXT` and `interrupted TEXT`.
"""

import asyncio
import logging
import sys

import uvicorn
from tac import TAC, TACConfig
from tac.channels.voice import VoiceChannel
from tac.server import TACFastAPIServer

CERTIFICATE, KEY, ACCOUNT, TOKEN = sys.argv[1:5]

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="log %(levelname)s %(message)s")

config = TACConfig(
    account_sid=ACCOUNT,
    auth_token=TOKEN,
    api_key="SK0123456789abcdef0123456789abcdef",
    api_secret="none",
    phone_number="+15550100",
    voice_public_domain="127.0.0.1",
)
tac = TAC(config=config)
voice = VoiceChannel(tac)
server = TACFastAPIServer(tac=tac, voice_channel=voice)


async def answer(message, session, memory):
    print("heard", message, flush=True)
    return f"You said {message}. " * 8


async def interrupted(session, data):
    print("interrupted", data, flush=True)


tac.on_message_ready(answer)
tac.on_interrupt(interrupted)


async def main():
    options = uvicorn.Config(
        server.app, host="127.0.0.1", port=443, ssl_certfile=CERTIFICATE, ssl_keyfile=KEY, log_level="warning"
    )
    serving = asyncio.create_task(uvicorn.Server(options).serve())
    print("listening", flush=True)
    await serving


asyncio.run(main())
