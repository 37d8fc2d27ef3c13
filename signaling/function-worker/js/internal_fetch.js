// fetch and its classes. A request is a message to the gateway, whose guarded client sends it.
'use strict';
const { Buffer } = require('buffer');
const { bytesOf } = require('internal_encoding');
class Event { constructor(type, init = {}) { this.type = type; Object.assign(this, init); } preventDefault() {} }
class EventTarget {
  #work = [];
  addEventListener(type, work, options) { this.#work.push([type, work, options]); }
  removeEventListener(type, work) { this.#work = this.#work.filter(([t, w]) => t !== type || w !== work); }
  dispatchEvent(event) {
    event.target = this;
    for (const [type, work] of [...this.#work]) if (type === event.type) (work.handleEvent ? work.handleEvent(event) : work.call(this, event));
    if (typeof this[`on${event.type}`] === 'function') this[`on${event.type}`](event);
    return true;
  }
}
class DOMException extends Error { constructor(message = '', name = 'Error') { super(message); Object.defineProperty(this, 'name', { value: name }); } }
class AbortSignal extends EventTarget {
  aborted = false; reason = undefined;
  throwIfAborted() { if (this.aborted) throw this.reason; }
  static abort(reason) { const c = new AbortController(); c.abort(reason); return c.signal; }
  static timeout(ms) { const c = new AbortController(); setTimeout(() => c.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms); return c.signal; }
  static any(signals) { const c = new AbortController(); for (const one of signals) { if (one.aborted) c.abort(one.reason); one.addEventListener('abort', () => c.abort(one.reason)); } return c.signal; }
}
class AbortController {
  signal = new AbortSignal();
  abort(reason = new DOMException('This operation was aborted', 'AbortError')) {
    if (this.signal.aborted) return;
    this.signal.aborted = true;
    this.signal.reason = reason;
    this.signal.dispatchEvent(new Event('abort'));
  }
}
class Headers {
  #map = new Map();
  constructor(init) {
    if (init === undefined || init === null) return;
    const pairs = typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
    for (const [name, value] of pairs) this.append(name, value);
  }
  append(name, value) { const key = String(name).toLowerCase(); this.#map.set(key, [...(this.#map.get(key) || []), String(value).trim()]); }
  set(name, value) { this.#map.set(String(name).toLowerCase(), [String(value).trim()]); }
  get(name) { const found = this.#map.get(String(name).toLowerCase()); return found ? found.join(', ') : null; }
  has(name) { return this.#map.has(String(name).toLowerCase()); }
  delete(name) { this.#map.delete(String(name).toLowerCase()); }
  getSetCookie() { return [...(this.#map.get('set-cookie') || [])]; }
  raw() { return Object.fromEntries(this.#map); }
  forEach(work, self) { for (const [name, value] of this) work.call(self, value, name, this); }
  *entries() { for (const [name, values] of [...this.#map].sort()) { if (name === 'set-cookie') for (const one of values) yield [name, one]; else yield [name, values.join(', ')]; } }
  *keys() { for (const [name] of this.entries()) yield name; }
  *values() { for (const [, value] of this.entries()) yield value; }
  [Symbol.iterator]() { return this.entries(); }
  get [Symbol.toStringTag]() { return 'Headers'; }
}
class Blob {
  constructor(parts = [], { type = '' } = {}) { this._bytes = Buffer.concat(parts.map((one) => (one instanceof Blob ? one._bytes : typeof one === 'string' ? Buffer.from(one) : Buffer.from(bytesOf(one))))); this.type = type; this.size = this._bytes.length; }
  async text() { return this._bytes.toString(); }
  async arrayBuffer() { return Uint8Array.from(this._bytes).buffer; }
  slice(a, b, type) { return new Blob([this._bytes.subarray(a, b)], { type }); }
}
class FormData {
  #pairs = [];
  append(name, value, file) { this.#pairs.push([String(name), value instanceof Blob ? value : String(value), file]); }
  set(name, value, file) { this.delete(name); this.append(name, value, file); }
  delete(name) { this.#pairs = this.#pairs.filter(([one]) => one !== name); }
  get(name) { const found = this.#pairs.find(([one]) => one === name); return found ? found[1] : null; }
  getAll(name) { return this.#pairs.filter(([one]) => one === name).map(([, value]) => value); }
  has(name) { return this.#pairs.some(([one]) => one === name); }
  *entries() { for (const [name, value] of this.#pairs) yield [name, value]; }
  [Symbol.iterator]() { return this.entries(); }
  _encode() {
    const mark = `----formdata-${Buffer.from(host.random(12)).toString('hex')}`;
    const parts = [];
    for (const [name, value, file] of this.#pairs) {
      const blob = value instanceof Blob;
      parts.push(Buffer.from(`--${mark}\r\nContent-Disposition: form-data; name="${name}"${blob ? `; filename="${file || 'blob'}"\r\nContent-Type: ${value.type || 'application/octet-stream'}` : ''}\r\n\r\n`), blob ? value._bytes : Buffer.from(value), Buffer.from('\r\n'));
    }
    return [Buffer.concat([...parts, Buffer.from(`--${mark}--\r\n`)]), `multipart/form-data; boundary=${mark}`];
  }
}
function encodeBody(body) {
  if (body === undefined || body === null) return [null, null];
  if (typeof body === 'string') return [Buffer.from(body), 'text/plain;charset=UTF-8'];
  if (body instanceof URLSearchParams) return [Buffer.from(body.toString()), 'application/x-www-form-urlencoded;charset=UTF-8'];
  if (body instanceof FormData) return body._encode();
  if (body instanceof Blob) return [body._bytes, body.type || null];
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return [Buffer.from(bytesOf(body)), null];
  return [Buffer.from(String(body)), 'text/plain;charset=UTF-8'];
}
class Body {
  #used = false;
  _keep(bytes) { Object.defineProperty(this, '_bytes', { value: bytes, writable: true, enumerable: false }); }
  get bodyUsed() { return this.#used; }
  get body() { if (this._bytes === null) return null; const { Readable } = require('stream'); return (this._stream ??= Readable.from([this._bytes])); }
  #take() { if (this.#used) throw new TypeError('Body is unusable: Body has already been read'); this.#used = true; return this._bytes || Buffer.alloc(0); }
  async text() { return this.#take().toString(); }
  async json() { return JSON.parse(this.#take().toString()); }
  async arrayBuffer() { return Uint8Array.from(this.#take()).buffer; }
  async bytes() { return Uint8Array.from(this.#take()); }
  async buffer() { return Buffer.from(this.#take()); }
  async blob() { return new Blob([this.#take()], { type: this.headers.get('content-type') || '' }); }
}
class Request extends Body {
  constructor(input, init = {}) {
    super();
    const from = input instanceof Request ? input : null;
    this.url = from ? from.url : new URL(String(input)).href;
    this.method = String(init.method || (from ? from.method : 'GET')).toUpperCase();
    this.headers = new Headers(init.headers || (from ? from.headers : undefined));
    const [bytes, type] = init.body !== undefined ? encodeBody(init.body) : [from ? from._bytes : null, null];
    this._keep(bytes);
    if (type && !this.headers.has('content-type')) this.headers.set('content-type', type);
    this.redirect = init.redirect || (from ? from.redirect : 'follow');
    this.signal = init.signal || (from ? from.signal : new AbortSignal());
  }
  clone() { return new Request(this); }
}
class Response extends Body {
  constructor(body = null, init = {}) {
    super();
    const [bytes, type] = encodeBody(body);
    this._keep(bytes);
    this.status = init.status ?? 200;
    this.statusText = init.statusText ?? '';
    this.headers = new Headers(init.headers);
    if (type && !this.headers.has('content-type')) this.headers.set('content-type', type);
    this.url = init.url || ''; this.redirected = init.redirected || false; this.type = 'default';
  }
  get ok() { return this.status >= 200 && this.status < 300; }
  clone() { return new Response(this._bytes, this); }
  static json(value, init = {}) { const made = new Response(JSON.stringify(value), init); made.headers.set('content-type', 'application/json'); return made; }
  static error() { return new Response(null, { status: 0 }); }
}
let waiting = new Map();
let last = 0;
// The lowest layer, for `http` and axios as well: resolves with the head and the bytes.
function send({ method, url, headers, body, follow = true, signal }) {
  return new Promise((resolve, reject) => {
    if (signal && signal.aborted) return reject(signal.reason);
    const id = ++last;
    waiting.set(id, { resolve, reject });
    if (signal) signal.addEventListener('abort', () => { if (waiting.delete(id)) reject(signal.reason); });
    const refused = host.fetch(id, method, url, JSON.stringify(headers), body || new Uint8Array(0), follow);
    if (refused) { waiting.delete(id); reject(new Error(refused)); }
  });
}
async function fetch(input, init) {
  const request = new Request(input, init);
  let answer;
  try {
    answer = await send({ method: request.method, url: request.url, headers: [...request.headers], body: request._bytes, follow: request.redirect === 'follow', signal: request.signal });
  } catch (error) {
    if (error && error.name && /Abort|Timeout/.test(error.name)) throw error;
    throw Object.assign(new TypeError('fetch failed'), { cause: error });
  }
  const empty = [101, 204, 205, 304].includes(answer.status);
  return new Response(empty ? null : answer.body, { status: answer.status, statusText: answer.statusText, headers: answer.headers, url: answer.url, redirected: answer.url !== request.url });
}
const PHRASES = { 200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No Content', 301: 'Moved Permanently', 302: 'Found', 303: 'See Other', 304: 'Not Modified', 307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 409: 'Conflict', 413: 'Payload Too Large', 415: 'Unsupported Media Type', 422: 'Unprocessable Entity', 429: 'Too Many Requests', 500: 'Internal Server Error', 501: 'Not Implemented', 502: 'Bad Gateway', 503: 'Service Unavailable', 504: 'Gateway Timeout' };
// For the host.
exports.settle = (id, head, body) => {
  const one = waiting.get(id);
  if (!one) return;
  waiting.delete(id);
  const answer = JSON.parse(head);
  if (answer.Err !== undefined) return one.reject(Object.assign(new Error(answer.Err), { code: 'ECONNREFUSED' }));
  const { status, headers, url } = answer.Ok;
  one.resolve({ status, headers, url, statusText: PHRASES[status] || '', body: Buffer.from(body) });
};
exports.pending = () => waiting.size;
exports.drop = () => { waiting = new Map(); };
Object.assign(exports, { fetch, send, encodeBody, PHRASES, Headers, Request, Response, FormData, Blob, AbortController, AbortSignal, DOMException, Event, EventTarget });
