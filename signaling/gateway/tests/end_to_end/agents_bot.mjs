// The transport of OpenAI's agents SDK for this protocol, in a session as its documents show it, with a stand-in for the Realtime
// API that answers on this machine.
//
// Prints `listening PORT`, then a line for each thing of note. Once the model has heard half a second of the caller it answers
// with three seconds of a sound in six pieces, all at once; when it hears the caller again while that plays, it says that speech
// started, which has the SDK clear and truncate.
import { RealtimeAgent, RealtimeSession } from '@openai/agents/realtime';
import { TwilioRealtimeTransportLayer } from '@openai/agents-extensions';
import { WebSocketServer } from 'ws';

const say = line => process.stdout.write(line + '\n');
const SOUND = 0x2a;
const PIECE_MS = 500;

/** The caller's audio as the model sees it: how long it has been speech. */
class Model {
  constructor(socket) {
    this.socket = socket;
    this.heardMs = 0;
    this.paddedMs = 0;
    this.state = 'waiting';
    socket.on('message', data => this.on(JSON.parse(data)));
    this.send({ type: 'session.created', session: {} });
  }

  send(event) {
    this.socket.send(JSON.stringify({ event_id: 'event', ...event }));
  }

  on(event) {
    if (event.type === 'input_audio_buffer.append') {
      this.hear(Buffer.from(event.audio, 'base64'));
    } else if (event.type === 'session.update') {
      this.send({ type: 'session.updated', session: event.session });
    } else if (event.type === 'conversation.item.truncate') {
      say(`truncated ${event.item_id} ${event.audio_end_ms}`);
    }
  }

  hear(audio) {
    // The SDK fills gaps of our timestamps with silence, in one piece of another length.
    if (audio.length !== 160) say(`wrong: a piece of ${audio.length} bytes`);
    this.heardMs = audio.every(code => code === 0x11) ? this.heardMs + audio.length / 8 : 0;
    if (this.heardMs < 500) return;
    this.heardMs = 0;
    if (this.state === 'waiting') this.answer();
    else if (this.state === 'answered') this.interrupted();
  }

  answer() {
    this.state = 'answering';
    const of = { response_id: 'resp', item_id: 'item', output_index: 0, content_index: 0 };
    this.send({ type: 'response.created', response: { id: 'resp' } });
    const delta = Buffer.alloc(PIECE_MS * 8, SOUND).toString('base64');
    for (let piece = 0; piece < 6; piece += 1) this.send({ type: 'response.output_audio.delta', delta, ...of });
    this.send({ type: 'response.output_audio.done', ...of });
    this.send({ type: 'response.done', response: { id: 'resp' } });
    say('answered');
  }

  interrupted() {
    this.state = 'interrupted';
    this.send({ type: 'input_audio_buffer.speech_started', item_id: 'user', audio_start_ms: 0 });
    say('interrupted');
  }
}

let model;
const api = new WebSocketServer({ host: '127.0.0.1', port: 0 }, listen);
api.on('connection', socket => (model = new Model(socket)));

function listen() {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => say(`listening ${server.address().port}`));
  server.on('connection', talk);
}

async function talk(socket) {
  const url = `ws://127.0.0.1:${api.address().port}`;
  const transport = new TwilioRealtimeTransportLayer({ twilioWebSocket: socket, url });
  const session = new RealtimeSession(new RealtimeAgent({ name: 'desk', instructions: 'Answer.' }), { transport });
  session.on('error', error => say(`wrong: ${JSON.stringify(error)}`));
  session.on('transport_event', event => {
    if (event.type !== 'twilio_message') return;
    const { event: name, mark } = event.message;
    if (name === 'start') say(`start ${JSON.stringify(event.message.start)}`);
    if (name === 'mark') marked(mark.name);
    if (name === 'stop') say('stop');
  });
  socket.on('close', code => say(`closed ${code}`));
  await session.connect({ apiKey: 'none' });
  say('connected');
}

function marked(name) {
  say(`mark ${name} ${Math.round(performance.now())}`);
  // From the second piece on, the caller may interrupt.
  if (model.state === 'answering') model.state = 'answered';
}
