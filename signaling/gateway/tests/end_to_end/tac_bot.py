"""The vendor's agent framework with its provider of media streams, unmodified, on https://127.0.0.1.

Usage: tac_bot.py CERTIFICATE KEY ACCOUNT TOKEN. It serves /twiml and /ws, and checks the signature of both. Its model is at
api.openai.com, which the test has elsewhere. Prints `listening`, and what the framework logs of a stream.
"""

import asyncio
import logging
import sys

import uvicorn
from tac import TAC, TACConfig
from tac.channels.voice import VoiceChannel
from tac.channels.voice.media_streams.openai_realtime import OpenAIRealtimeProviderConfig
from tac.server import TACFastAPIServer

CERTIFICATE, KEY, ACCOUNT, TOKEN = sys.argv[1:5]
AUDIO = {"format": {"type": "audio/pcmu"}}

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="log %(levelname)s %(message)s")

config = TACConfig(
    account_sid=ACCOUNT,
    auth_token=TOKEN,
    api_key="SK0123456789abcdef0123456789abcdef",
    api_secret="none",
    phone_number="+15550100",
    voice_public_domain="127.0.0.1",
)
session = {"type": "realtime", "model": "gpt-realtime", "audio": {"input": AUDIO, "output": AUDIO}}
tac = TAC(config=config)
voice = VoiceChannel(tac, config=OpenAIRealtimeProviderConfig(openai_api_key="none", default_session_config=session))
server = TACFastAPIServer(tac=tac, voice_channel=voice)


async def main():
    options = uvicorn.Config(
        server.app, host="127.0.0.1", port=443, ssl_certfile=CERTIFICATE, ssl_keyfile=KEY, log_level="warning"
    )
    serving = asyncio.create_task(uvicorn.Server(options).serve())
    print("listening", flush=True)
    await serving


asyncio.run(main())
