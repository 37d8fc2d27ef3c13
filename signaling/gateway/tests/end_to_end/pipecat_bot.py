"""A bot of Pipecat, as its documents show one for this protocol, without a model: it says again what it hears.

Usage: pipecat_bot.py API_URL ACCOUNT TOKEN. Prints `listening PORT`, then a line for each thing of note. Key 1: ten seconds of a
sound at once. Key 2: the caller interrupts. Key 9: the pipeline ends, so that its serializer hangs up by REST.
"""

import asyncio
import socket
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.utils import ulaw_to_pcm, create_stream_resampler
from pipecat.frames.frames import EndFrame, InputAudioRawFrame, InputDTMFFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

API_URL, ACCOUNT, TOKEN = sys.argv[1:4]
RATE = 8000
app = FastAPI()


def say(line):
    print(line, flush=True)


# What Pipecat itself has to say, such as that the call was ended.
logger.remove()
logger.add(lambda message: say(f"log {str(message).strip()}"), level="INFO", format="{level} {message}")


class Echo(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            await self.say_audio(frame.audio)
        elif isinstance(frame, InputDTMFFrame):
            await self.on_key(frame.button.value)
        else:
            await self.push_frame(frame, direction)

    async def say_audio(self, audio):
        await self.push_frame(OutputAudioRawFrame(audio=audio, sample_rate=RATE, num_channels=1), FrameDirection.DOWNSTREAM)

    async def on_key(self, key):
        say(f"key {key}")
        if key == "1":
            await self.say_audio(await ulaw_to_pcm(bytes([0x15]) * RATE * 10, RATE, RATE, create_stream_resampler()))
        elif key == "2":
            await self.broadcast_interruption()
        elif key == "9":
            await self.pipeline_worker.queue_frame(EndFrame())


@app.websocket("/ws")
async def stream(socket: WebSocket):
    await socket.accept()
    kind, call = await parse_telephony_websocket(socket)
    say(f"start {kind} {call.call_id} {call.body}")
    serializer = TwilioFrameSerializer(
        stream_sid=call.stream_id, call_sid=call.call_id, account_sid=ACCOUNT, auth_token=TOKEN, base_url=API_URL
    )
    params = FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer)
    transport = FastAPIWebsocketTransport(websocket=socket, params=params)
    echo = Echo()
    pipeline = Pipeline([transport.input(), echo, transport.output()])
    rates = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    worker = PipelineWorker(pipeline, params=rates, idle_timeout_secs=None)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    say("ended")


async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    say(f"listening {listener.getsockname()[1]}")
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    await server.serve(sockets=[listener])


asyncio.run(main())
