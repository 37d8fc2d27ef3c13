// The worker of functions in Node, a thread that runs scripts of customers. What a handler gets and gives is `internal_functions.js`, as in
// QuickJS; the rest is Node's own, except that requests go out by the gateway: there are no sockets in this process.
'use strict';
const { parentPort: port, workerData } = require('worker_threads');
const Module = require('module');
const { pathToFileURL } = require('url');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const util = require('util');
const vm = require('vm');

const { app, deployed, lineBytes } = workerData;
let current = 0;
const root = Module.createRequire(path.join(app, 'functions', '_.js'));

// A function is CommonJS or an ES module; its file says which.
function file(name) {
  const script = path.join(app, 'functions', `${name}.js`);
  return fs.existsSync(script) ? script : path.join(app, 'functions', `${name}.mjs`);
}

const host = {
  deployed,
  functionFile: file,
  assetFile: (name) => path.join(app, 'assets', name),
  loader: { require: root, load: (name) => (name.endsWith('.mjs') ? import(pathToFileURL(name).href) : root(name)) },
  utf8: (text) => Buffer.from(text),
  text8: (bytes, fatal) => { try { return new util.TextDecoder('utf-8', { fatal, ignoreBOM: true }).decode(bytes); } catch { return null; } },
  random: (count) => crypto.randomBytes(count),
  log: (level, text) => { port.postMessage({ kind: 'log', id: current, level, text: text.slice(0, lineBytes) }); },
  fetch: (fetch, method, url, headers, body, follow) => { port.postMessage({ kind: 'fetch', id: current, fetch, method, url, headers, body, follow }); return null; },
  finish: (id, status, headers, body, failure) => { port.postMessage({ kind: 'answer', id, status, headers, body, failure }); },
};

// Timers end with their invocation.
const timers = new Set();
for (const [set, clear] of [['setTimeout', 'clearTimeout'], ['setInterval', 'clearInterval'], ['setImmediate', 'clearImmediate']]) {
  const [real, drop] = [globalThis[set], globalThis[clear]];
  globalThis[set] = (work, ...rest) => {
    const timer = real((...values) => { if (set !== 'setInterval') timers.delete(end); return work(...values); }, ...rest);
    const end = () => drop(timer);
    timers.add(end);
    return timer;
  };
  if (real[util.promisify.custom]) globalThis[set][util.promisify.custom] = real[util.promisify.custom];
}

const own = Object.create(null);
own.timers = { exports: { next: () => Infinity, drop() { for (const end of timers) end(); timers.clear(); } } };
function ours(name) {
  if (own[name]) return own[name].exports;
  const module = (own[name] = { exports: {} });
  const script = path.join(__dirname, `${name}.js`);
  const wrapper = vm.compileFunction(fs.readFileSync(script, 'utf8'), ['exports', 'require', 'module', 'host'], { filename: script });
  wrapper(module.exports, (wanted) => (wanted.startsWith('internal_') || wanted === 'timers' ? ours(wanted) : require(wanted)), module, host);
  return module.exports;
}

const fetching = ours('internal_fetch');
for (const name of ['fetch', 'Headers', 'Request', 'FormData', 'Blob']) {
  Object.defineProperty(globalThis, name, { value: fetching[name], writable: true, configurable: true, enumerable: false });
}
for (const [name, secure] of [['http', false], ['https', true]]) {
  const { request, get, Agent, globalAgent, createServer } = ours('internal_http')(secure);
  Object.assign(require(name), { request, get, Agent, globalAgent, createServer });
}
Module.syncBuiltinESMExports();
const load = Module._load;
Module._load = function (request, ...rest) {
  const made = load.call(this, request, ...rest);
  if (request === 'axios') ours('internal_axios').adapt(made);
  return made;
};
const print = (level) => (...values) => host.log(level, util.format(...values));
Object.assign(console, { log: print('info'), info: print('info'), debug: print('info'), warn: print('warn'), error: print('error'), trace: print('error') });

const functions = ours('internal_functions');
functions.prepare();
functions.warm();
// What breaks before this line ends the thread.
process.on('unhandledRejection', (reason) => functions.threw(reason ?? new Error('a promise was rejected')));
process.on('uncaughtException', (error) => functions.threw(error));
port.on('message', (message) => {
  if (message.kind === 'begin') {
    current = message.id;
    functions.begin(message.id, message.function, message.event, message.context);
  } else if (message.kind === 'fetched' && message.id === current) {
    fetching.settle(message.fetch, message.head, message.body);
  } else if (message.kind === 'end') {
    functions.end();
    current = 0;
    port.postMessage({ kind: 'ready' });
  }
});
port.postMessage({ kind: 'ready' });
