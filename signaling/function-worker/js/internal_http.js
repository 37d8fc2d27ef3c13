// Client requests of `http` and `https`, on the gateway's client. There is nothing to listen on.
'use strict';
const { Buffer } = require('buffer');
const { Readable, Writable } = require('stream');
const fetching = require('internal_fetch');
class IncomingMessage extends Readable {
  constructor(answer) {
    super();
    this.statusCode = answer.status; this.statusMessage = answer.statusText; this.httpVersion = '1.1'; this.complete = true; this.url = ''; this.socket = {};
    this.headers = {}; this.rawHeaders = [];
    for (const [name, value] of answer.headers) {
      this.rawHeaders.push(name, value);
      if (name === 'set-cookie') (this.headers[name] ??= []).push(value);
      else this.headers[name] = name in this.headers ? `${this.headers[name]}, ${value}` : value;
    }
    if (answer.body.length) this.push(answer.body);
    this.push(null);
  }
  setTimeout() { return this; }
}
class ClientRequest extends Writable {
  constructor(secure, input, options, onAnswer) {
    super({ autoDestroy: false });
    if (typeof input === 'string' || input instanceof URL) {
      const url = new URL(String(input));
      if (typeof options === 'function') [options, onAnswer] = [{}, options];
      options = { protocol: url.protocol, hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: url.port, path: url.pathname + url.search, auth: url.username ? `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` : undefined, ...options };
    } else [options, onAnswer] = [input, options];
    this.method = (options.method || 'GET').toUpperCase(); this.path = options.path || '/'; this._heads = new Map(); this._parts = []; this.aborted = false; this.socket = null;
    for (const [name, value] of Object.entries(options.headers || {})) this.setHeader(name, value);
    if (options.auth && !this.getHeader('authorization')) this.setHeader('Authorization', `Basic ${Buffer.from(options.auth).toString('base64')}`);
    const protocol = options.protocol || (secure ? 'https:' : 'http:');
    const host = options.hostname || options.host || 'localhost';
    this.host = host; this.protocol = protocol;
    this._url = `${protocol}//${host.includes(':') && !host.startsWith('[') && !/:\d+$/.test(host) ? `[${host}]` : host}${options.port ? `:${options.port}` : ''}${this.path}`;
    if (onAnswer) this.once('response', onAnswer);
    if (options.timeout) this.setTimeout(options.timeout);
  }
  setHeader(name, value) { this._heads.set(String(name).toLowerCase(), [name, value]); return this; }
  getHeader(name) { const found = this._heads.get(String(name).toLowerCase()); return found && found[1]; }
  getHeaders() { return Object.fromEntries([...this._heads].map(([name, [, value]]) => [name, value])); }
  hasHeader(name) { return this._heads.has(String(name).toLowerCase()); }
  removeHeader(name) { this._heads.delete(String(name).toLowerCase()); }
  flushHeaders() {} setNoDelay() {} setSocketKeepAlive() {}
  setTimeout(ms, work) { if (work) this.once('timeout', work); clearTimeout(this._timer); if (ms) this._timer = setTimeout(() => this.emit('timeout'), ms); return this; }
  abort() { this.aborted = true; this.destroy(); }
  destroy(error) { clearTimeout(this._timer); this._gone = true; return super.destroy(error); }
  _write(chunk, encoding, next) { this._parts.push(Buffer.from(chunk)); next(); }
  _final(done) {
    done();
    const headers = [...this._heads.values()].flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => [String(name), String(one)]));
    fetching.send({ method: this.method, url: this._url, headers, body: Buffer.concat(this._parts), follow: false }).then((answer) => {
      clearTimeout(this._timer);
      if (this._gone) return;
      const message = new IncomingMessage(answer);
      message.req = this; this.res = message;
      if (!this.emit('response', message)) message.resume();
    }, (error) => { clearTimeout(this._timer); if (!this._gone) this.emit('error', error); });
  }
}
class Agent { constructor(options = {}) { this.options = options; this.sockets = {}; this.requests = {}; this.maxSockets = options.maxSockets || Infinity; } destroy() {} on() { return this; } }
module.exports = (secure) => {
  const request = (input, options, onAnswer) => new ClientRequest(secure, input, options, onAnswer);
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'];
  return {
    request, get: (...args) => { const made = request(...args); made.end(); return made; }, Agent, globalAgent: new Agent(), IncomingMessage, ClientRequest, METHODS: methods, STATUS_CODES: fetching.PHRASES,
    createServer: () => { throw new Error('servers are not available to functions'); }, maxHeaderSize: 16384, validateHeaderName() {}, validateHeaderValue() {},
    OutgoingMessage: Writable, ServerResponse: Writable, Server: class {},
  };
};
