// WHATWG URLs by the host's parser, and Node's older functions on top.
'use strict';
const broken = (input) => Object.assign(new TypeError('Invalid URL'), { code: 'ERR_INVALID_URL', input: String(input) });
const plus = (text) => encodeURIComponent(text).replace(/[!'()~]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase()).replaceAll('%20', '+');
const unplus = (text) => {
  const spaced = text.replaceAll('+', ' ');
  try { return decodeURIComponent(spaced); } catch { return host.text8(require('buffer').Buffer.from(unescape(spaced), 'latin1'), false); }
};
class URLSearchParams {
  #pairs = [];
  #changed = () => {};
  constructor(init = '') {
    if (init == null || init === undefined) return;
    if (typeof init === 'object' && typeof init[Symbol.iterator] === 'function') for (const [k, v] of init) this.#pairs.push([String(k), String(v)]);
    else if (typeof init === 'object') for (const k of Object.keys(init)) this.#pairs.push([k, String(init[k])]);
    else this.#read(String(init));
  }
  static _of(text, changed) { const it = new URLSearchParams(text); it.#changed = changed; return it; }
  _reset(text) { this.#pairs = []; this.#read(text); }
  #read(text) {
    for (const pair of text.replace(/^\?/, '').split('&')) {
      if (pair === '') continue;
      const at = pair.indexOf('=');
      this.#pairs.push(at < 0 ? [unplus(pair), ''] : [unplus(pair.slice(0, at)), unplus(pair.slice(at + 1))]);
    }
  }
  get size() { return this.#pairs.length; }
  append(k, v) { this.#pairs.push([String(k), String(v)]); this.#changed(this); }
  delete(k) { this.#pairs = this.#pairs.filter(([one]) => one !== String(k)); this.#changed(this); }
  get(k) { const found = this.#pairs.find(([one]) => one === String(k)); return found ? found[1] : null; }
  getAll(k) { return this.#pairs.filter(([one]) => one === String(k)).map(([, v]) => v); }
  has(k) { return this.#pairs.some(([one]) => one === String(k)); }
  set(k, v) {
    const at = this.#pairs.findIndex(([one]) => one === String(k));
    if (at < 0) return this.append(k, v);
    this.#pairs = this.#pairs.filter(([one], i) => one !== String(k) || i === at);
    this.#pairs[at] = [String(k), String(v)];
    this.#changed(this);
  }
  sort() { this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); this.#changed(this); }
  forEach(work, self) { for (const [k, v] of this.#pairs) work.call(self, v, k, this); }
  *entries() { yield* this.#pairs.map((pair) => [...pair]); }
  *keys() { for (const [k] of this.#pairs) yield k; }
  *values() { for (const [, v] of this.#pairs) yield v; }
  [Symbol.iterator]() { return this.entries(); }
  toString() { return this.#pairs.map(([k, v]) => `${plus(k)}=${plus(v)}`).join('&'); }
  get [Symbol.toStringTag]() { return 'URLSearchParams'; }
}
class URL {
  #parts;
  #params;
  constructor(input, base) {
    const parts = host.url(String(input), base === undefined ? null : String(base));
    if (parts == null) throw broken(input);
    this.#take(JSON.parse(parts));
  }
  static canParse(input, base) { return host.url(String(input), base === undefined ? null : String(base)) != null; }
  #take(parts) {
    this.#parts = parts;
    if (this.#params) this.#params._reset(parts.search);
  }
  get searchParams() {
    this.#params ??= URLSearchParams._of(this.#parts.search, (params) => {
      const parts = host.urlWith(this.#parts.href, 'search', params.toString());
      if (parts != null) this.#parts = JSON.parse(parts);
    });
    return this.#params;
  }
  toString() { return this.#parts.href; }
  toJSON() { return this.#parts.href; }
  get [Symbol.toStringTag]() { return 'URL'; }
  _set(name, value) { const parts = host.urlWith(this.#parts.href, name, String(value)); if (parts != null) this.#take(JSON.parse(parts)); else if (name === 'href') throw broken(value); }
  _get(name) { return this.#parts[name]; }
}
for (const name of ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash']) {
  Object.defineProperty(URL.prototype, name, {
    enumerable: true, configurable: true,
    get() { return this._get(name); },
    set: name === 'origin' ? undefined : function (value) { this._set(name, value); },
  });
}
for (const name of ['_set', '_get']) Object.defineProperty(URL.prototype, name, { enumerable: false });

function parse(text, query = false) {
  const whole = /^([a-zA-Z][a-zA-Z0-9+.-]*:)?(\/\/)?(?:([^/?#@]*)@)?([^/?#]*)?([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(String(text).trim());
  const [, protocol = null, slashes, auth, authority = '', rest = '', search = null, hash = null] = whole || [];
  const out = { protocol: protocol && protocol.toLowerCase(), slashes: slashes ? true : null, auth: null, host: null, port: null, hostname: null, hash, search, query: null, pathname: null, path: null, href: '' };
  let pathname = rest;
  if (slashes) {
    out.auth = auth === undefined ? null : unplus(auth.replaceAll('+', '%2B'));
    out.host = authority.toLowerCase();
    const port = /:(\d+)$/.exec(out.host);
    out.port = port ? port[1] : null;
    out.hostname = port ? out.host.slice(0, -port[0].length) : out.host;
    if (pathname === '' && /^(https?|ftp):$/.test(out.protocol)) pathname = '/';
  } else pathname = (auth === undefined ? '' : `${auth}@`) + authority + rest;
  out.pathname = pathname || null;
  out.query = search == null ? (query ? Object.create(null) : null) : query ? require('querystring').parse(search.slice(1)) : search.slice(1);
  out.path = search || pathname ? (pathname || '') + (search || '') : null;
  out.href = format(out);
  return Object.assign(Object.create(Url.prototype), out);
}
function Url() {}
function format(it) {
  if (typeof it === 'string') return it;
  if (it instanceof URL) return it.href;
  const auth = it.auth ? `${encodeURIComponent(it.auth).replace('%3A', ':')}@` : '';
  let protocol = it.protocol || '';
  if (protocol && !protocol.endsWith(':')) protocol += ':';
  const authority = it.host ? auth + it.host : it.hostname ? auth + it.hostname + (it.port ? `:${it.port}` : '') : null;
  let search = it.search || (it.query && typeof it.query === 'object' && Object.keys(it.query).length ? `?${require('querystring').stringify(it.query)}` : '');
  if (search && !search.startsWith('?')) search = `?${search}`;
  let pathname = it.pathname || '';
  const lead = authority != null || it.slashes ? `//${authority || ''}` : '';
  if (lead && pathname && !pathname.startsWith('/')) pathname = `/${pathname}`;
  return protocol + lead + pathname + search + (it.hash || '');
}
module.exports = {
  URL, URLSearchParams, Url, parse, format,
  resolve: (from, to) => { try { return new URL(to, from).href; } catch { const at = new URL(to, new URL(from, 'resolve://')); return at.protocol === 'resolve:' ? at.pathname + at.search + at.hash : at.href; } },
  domainToASCII: (name) => { try { return new URL(`http://${name}`).hostname; } catch { return ''; } },
  domainToUnicode: (name) => name,
  fileURLToPath: (url) => decodeURIComponent(new URL(url).pathname), pathToFileURL: (path) => new URL(`file://${path}`),
  urlToHttpOptions: (url) => ({ protocol: url.protocol, hostname: url.hostname, path: url.pathname + url.search, port: url.port, href: url.href }),
};
