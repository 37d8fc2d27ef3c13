// The worker of functions in Node, its first thread: pipes, slots, bounds. Scripts of customers run in the threads of `slot.js` alone.
//
//   stdin ──▶ frames ──▶ queue ──▶ slot 1: a thread, one invocation at a time
//                          └─────▶ …       one more when an invocation has waited 20 ms
//   stdout ◀── answers, lines, fetches; this thread checks what slots send, because a script can send it, too
//
// A slot keeps its modules between invocations. One that passes a bound is ended and replaced.
'use strict';
const { Worker } = require('worker_threads');
const path = require('path');

const bounds = JSON.parse(process.argv[2]);
const READY = '\0sidetone-funcs\n';
const LENGTHS_BYTES = 8;
const WAIT_MS = 20;
const LOOK_MS = 50;

let deployed = null;
const slots = new Set();
const queue = [];

function send(head, body = Buffer.alloc(0)) {
  const text = Buffer.from(JSON.stringify(head));
  const lengths = Buffer.alloc(LENGTHS_BYTES);
  lengths.writeUInt32LE(text.length, 0);
  lengths.writeUInt32LE(body.length, 4);
  process.stdout.write(Buffer.concat([lengths, text, body]));
}

// A slot: `busy` is its invocation, with the bounds that count from its begin.
class Slot {
  constructor() {
    this.busy = null;
    this.ready = false;
    // Since when it has not come back from an invocation that answered.
    this.left = null;
    this.thread = new Worker(path.join(__dirname, 'slot.js'), {
      workerData: { app: bounds.app, deployed, lineBytes: bounds.lineBytes },
      env: {},
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: bounds.heapMb, stackSizeMb: 1 },
    });
    slots.add(this);
    this.thread.on('message', (message) => this.take(message));
    this.thread.on('error', (error) => this.lose(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? `the function used more than ${bounds.heapMb} MiB` : `the function broke its thread: ${error.message}`));
    this.thread.on('exit', () => this.lose('the function ended its thread'));
  }

  begin(invoke) {
    const timer = setTimeout(() => this.lose('the function did not call back within its time', 504), invoke.wall_ms);
    const load = this.thread.performance.eventLoopUtilization();
    this.busy = { id: invoke.id, timer, load, lines: 0, fetches: 0 };
    this.thread.postMessage({ kind: 'begin', id: invoke.id, function: invoke.function, event: JSON.stringify(invoke.event), context: JSON.stringify(invoke.context) });
  }

  // What a script could forge is checked: sizes and counts here, what remains by the gateway.
  take(message) {
    if (message.kind === 'ready') {
      [this.ready, this.left] = [!this.busy, null];
      return serve();
    }
    const busy = this.busy;
    if (!busy || message.id !== busy.id) return;
    try {
      if (message.kind === 'log') this.log(busy, message);
      else if (message.kind === 'fetch') this.fetch(busy, message);
      else if (message.kind === 'answer') this.answer(busy, message);
    } catch (error) {
      this.lose(`the function forged a message: ${error.message}`);
    }
  }

  log(busy, { level, text }) {
    busy.lines += 1;
    if (busy.lines > bounds.lines) return;
    const last = busy.lines === bounds.lines;
    const line = last ? `${bounds.lines} lines are printed; further ones are left out` : cut(String(text), bounds.lineBytes);
    send({ kind: 'log', id: busy.id, level: last ? 'warn' : ['warn', 'error'].includes(level) ? level : 'info', text: line });
  }

  fetch(busy, { fetch, method, url, headers, body, follow }) {
    busy.fetches += 1;
    const bytes = Buffer.from(body);
    const refused = busy.fetches > bounds.fetches ? `a function may send ${bounds.fetches} requests`
      : bytes.length > bounds.answerBytes ? `a request may have ${bounds.answerBytes} bytes` : null;
    if (refused) return this.thread.postMessage({ kind: 'fetched', id: busy.id, fetch, head: JSON.stringify({ Err: refused }), body: new Uint8Array(0) });
    send({ kind: 'fetch', id: busy.id, fetch, method: String(method), url: String(url), headers: JSON.parse(headers), follow: Boolean(follow) }, bytes);
  }

  answer(busy, { status, headers, body, failure }) {
    const bytes = Buffer.from(body);
    const head = { kind: 'answer', id: busy.id, status: Number(status) & 0xffff, headers: JSON.parse(headers), failure: failure === null ? null : String(failure) };
    this.free();
    if (bytes.length <= bounds.answerBytes) send(head, bytes);
    else fail(busy.id, 500, `the answer has more than ${bounds.answerBytes} bytes`);
    [this.ready, this.left] = [false, Date.now()];
    this.thread.postMessage({ kind: 'end' });
  }

  free() {
    clearTimeout(this.busy.timer);
    this.busy = null;
  }

  // Its thread is over, or is ended now.
  lose(sentence, status = 500) {
    if (!slots.delete(this)) return;
    const busy = this.busy;
    if (busy) {
      this.free();
      fail(busy.id, status, sentence);
    }
    this.thread.terminate();
    serve();
  }

  // Time in which the thread did not wait: what it computed, and what others took from it meanwhile.
  look() {
    const busy = this.busy;
    if (this.left !== null && Date.now() - this.left > bounds.processorMs) return this.lose('');
    if (!busy) return;
    const { active } = this.thread.performance.eventLoopUtilization(busy.load);
    if (active > bounds.processorMs) this.lose('the function used more than 1 s of processor time');
  }
}

function cut(text, bytes) {
  const whole = Buffer.from(text);
  return whole.length <= bytes ? text : whole.subarray(0, bytes).toString().replace(/\uFFFD+$/, '');
}

function fail(id, status, sentence) {
  send({ kind: 'answer', id, status, headers: [['content-type', 'text/plain; charset=utf-8']], failure: sentence }, Buffer.from(sentence));
}

// Gives what waits to slots that are free; without any slot at least one is made.
function serve() {
  for (const slot of slots) {
    if (queue.length === 0) break;
    if (slot.ready && !slot.busy) slot.begin(queue.shift());
  }
  if (slots.size === 0) new Slot();
}

function take(message, body) {
  if (message.kind === 'start') {
    deployed = message;
    return void new Slot();
  }
  if (message.kind === 'invoke') {
    queue.push(message);
    serve();
    return void setTimeout(() => { if (queue.includes(message) && slots.size < bounds.slots) new Slot(); }, WAIT_MS);
  }
  for (const slot of slots) {
    if (message.kind === 'fetched' && slot.busy && slot.busy.id === message.id) slot.thread.postMessage({ kind: 'fetched', id: message.id, fetch: message.fetch, head: JSON.stringify(message.result), body });
  }
}

let input = Buffer.alloc(0);
process.stdin.on('data', (chunk) => {
  input = input.length ? Buffer.concat([input, chunk]) : chunk;
  while (input.length >= LENGTHS_BYTES) {
    const [head, body] = [input.readUInt32LE(0), input.readUInt32LE(4)];
    const end = LENGTHS_BYTES + head + body;
    if (input.length < end) return;
    const message = JSON.parse(input.subarray(LENGTHS_BYTES, LENGTHS_BYTES + head).toString());
    take(message, Buffer.from(input.subarray(LENGTHS_BYTES + head, end)));
    input = input.subarray(end);
  }
});
process.stdin.on('end', () => process.exit(0));
setInterval(() => { for (const slot of slots) slot.look(); }, LOOK_MS).unref();
process.stdout.write(READY);
send({ kind: 'confined', lacks: '' });
