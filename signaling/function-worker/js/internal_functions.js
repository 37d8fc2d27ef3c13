// What the handler of a function gets and gives: `Twilio`, `Runtime`, `Response`, context, callback. The host calls
// `begin` once for an invocation, and `finish` is called at most once in return: what comes later is cut off.
'use strict';
const fetching = require('internal_fetch');
const timers = require('timers');
const { Buffer } = require('buffer');

// The platform's response, not that of fetch.
class Response {
  constructor({ statusCode = 200, body = null, headers = {} } = {}) {
    this.statusCode = statusCode;
    this.body = body;
    this.headers = {};
    this.setHeaders(headers);
  }
  setStatusCode(code) { this.statusCode = code; return this; }
  setBody(body) { this.body = body; return this; }
  setHeaders(headers) {
    if (typeof headers !== 'object' || headers === null) return this;
    this.headers = {};
    for (const name of Object.keys(headers)) this.appendHeader(name, headers[name]);
    this.headers['Set-Cookie'] ??= [];
    return this;
  }
  appendHeader(name, value) {
    const cookie = name.toLowerCase() === 'set-cookie';
    const key = cookie ? 'Set-Cookie' : name;
    const before = this.headers[key];
    if (before === undefined) this.headers[key] = cookie && !Array.isArray(value) ? [value] : value;
    else this.headers[key] = [].concat(before, value);
    return this;
  }
  setCookie(key, value, attributes = []) {
    return this.appendHeader('Set-Cookie', `${key}=${value}${attributes.length ? `;${attributes.join(';')}` : ''}`);
  }
  removeCookie(key) { return this.appendHeader('Set-Cookie', `${key}=;Max-Age=0`); }
}

let current = 0;
let finished = true;
let unhandled = new Map();

function answer(status, headers, body, failure) {
  if (finished) return;
  finished = true;
  const bytes = typeof body === 'string' ? host.utf8(body.toWellFormed()) : body;
  host.finish(current, status, JSON.stringify(headers), bytes, failure);
}
function flat(headers) {
  const out = [];
  for (const [name, value] of Object.entries(headers)) for (const one of [].concat(value)) out.push([name, String(one)]);
  return out;
}
const isError = (value) => value instanceof Error || (value !== null && typeof value === 'object' && typeof value.message === 'string' && 'stack' in value);
function describe(error) { return isError(error) ? `${error.name}: ${error.message}` : typeof error === 'string' ? error : require('util').inspect(error); }
// The commonest mistake in the words of Node, so that people find it where they look for it.
function reword(error) {
  const known = error instanceof TypeError && /^cannot read property '(.*)' of (undefined|null)$/.exec(error.message);
  if (known) error.message = `Cannot read properties of ${known[2]} (reading '${known[1]}')`;
}
function fail(error) {
  if (isError(error)) {
    reword(error);
    const body = JSON.stringify({ message: error.message, name: error.name, stack: String(error.stack || '') });
    return answer(500, [['content-type', 'application/json; charset=utf-8']], body, describe(error));
  }
  if (typeof error === 'string') return answer(500, [['content-type', 'text/plain; charset=utf-8']], error, error);
  return answer(500, [['content-type', 'application/json; charset=utf-8']], JSON.stringify(error) || '', describe(error));
}
const isTwiml = (value) => value !== null && typeof value === 'object' && typeof value.toString === 'function' && /^(Voice|Messaging|Fax)Response$/.test(value.constructor && value.constructor.name);
function succeed(value) {
  if (value === undefined || value === null) return answer(200, [], '', null);
  if (typeof value === 'string') return answer(200, [['content-type', 'text/plain; charset=utf-8']], value, null);
  if (isTwiml(value)) return answer(200, [['content-type', 'text/xml; charset=utf-8']], value.toString(), null);
  if (value instanceof Response) {
    const headers = flat(value.headers);
    const type = headers.find(([name]) => name.toLowerCase() === 'content-type');
    const json = type ? type[1].startsWith('application/json') : value.body !== null && typeof value.body === 'object' && !ArrayBuffer.isView(value.body);
    if (!type && json) headers.push(['content-type', 'application/json; charset=utf-8']);
    if (!type && !json) headers.push(['content-type', 'text/plain; charset=utf-8']);
    const body = value.body === null || value.body === undefined ? '' : ArrayBuffer.isView(value.body) ? Buffer.from(value.body) : json && typeof value.body !== 'string' ? JSON.stringify(value.body) : json ? JSON.stringify(value.body) : String(value.body);
    return answer(Number(value.statusCode), headers, body, null);
  }
  return answer(200, [['content-type', 'application/json; charset=utf-8']], JSON.stringify(value), null);
}

function client(context, options) {
  const twilio = host.loader.require('twilio');
  const made = twilio(context.ACCOUNT_SID, context.AUTH_TOKEN, options);
  return made;
}

// The library's own object, its `Response` in front. It loads at its first use: a function that answers in JSON needs none of it.
function library() {
  const twilio = host.loader.require('twilio');
  if (!Object.hasOwn(twilio, 'Response')) Object.defineProperty(twilio, 'Response', { value: Response, writable: true, configurable: true, enumerable: true });
  return twilio;
}
// Where the engine has what is deployed; Node has it in a folder.
const functionFile = host.functionFile || ((path) => `/app/functions/${path}.js`);
const assetFile = host.assetFile || ((path) => `/app/assets${path}`);
const runtime = {
  getAssets: () => Object.fromEntries(host.deployed.assets.map((path) => [path, { path: assetFile(path), open: (encoding = 'utf8') => require('fs').readFileSync(assetFile(path), encoding) }])),
  getFunctions: () => Object.fromEntries(host.deployed.functions.map((path) => [path, { path: functionFile(path) }])),
  getSync: () => { throw new Error('Sync is not part of this gateway'); },
};

exports.prepare = () => {
  Object.assign(require('process').env, host.deployed.variables);
  const define = (name, described) => Object.defineProperty(globalThis, name, { configurable: true, enumerable: false, ...described });
  define('Twilio', { get: library, set(value) { define('Twilio', { value, writable: true }); } });
  define('Runtime', { value: runtime, writable: true });
  define('Functions', { value: runtime, writable: true });
  define('Response', { value: Response, writable: true });
};
exports.warm = () => { const twilio = library(); new twilio.twiml.VoiceResponse(); };
exports.begin = (id, path, eventText, contextText) => {
  current = id; finished = false; unhandled = new Map();
  const event = JSON.parse(eventText);
  const context = JSON.parse(contextText);
  context.getTwilioClient = (options) => client(context, options);
  let called = false;
  const callback = (error, value) => {
    if (called || current !== id) return;
    called = true;
    if (error) fail(error);
    else { try { succeed(value); } catch (thrown) { fail(thrown); } }
  };
  const run = (loaded) => {
    const handler = loaded.handler || (loaded.default && loaded.default.handler);
    if (typeof handler !== 'function') throw new Error(`the function /${path} exports no handler`);
    return handler(context, event, callback);
  };
  const rejected = (error) => { if (current === id) fail(error ?? new Error('the handler rejected')); };
  try {
    const loaded = host.loader.load(functionFile(path));
    // Node loads an ES module later.
    const returned = loaded instanceof Promise ? loaded.then(run) : run(loaded);
    if (returned && typeof returned.then === 'function') returned.then(undefined, rejected);
  } catch (error) { fail(error ?? new Error('the handler threw nothing')); }
};
exports.rejected = (promise, reason, handled) => { if (handled) unhandled.delete(promise); else unhandled.set(promise, reason); };
// After each turn: a rejection that nobody caught ends the invocation, as it ends a process of Node.
exports.checkRejections = () => { for (const reason of unhandled.values()) { fail(reason ?? new Error('a promise was rejected')); break; } unhandled = new Map(); };
exports.threw = (error) => fail(error ?? new Error('the function threw'));
exports.isFinished = () => finished;
exports.isIdle = () => fetching.pending() === 0 && timers.next() === Infinity;
exports.end = () => { finished = true; current = 0; timers.drop(); fetching.drop(); unhandled = new Map(); };
