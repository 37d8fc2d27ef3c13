// What a script finds without `require`.
'use strict';
const { Buffer } = require('buffer');
const url = require('url');
const timers = require('timers');
const fetching = require('internal_fetch');
const encoding = require('internal_encoding');
const { format } = require('util');

const define = (name, value) =>
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });

define('global', globalThis);
define('process', require('process'));
define('Buffer', Buffer);
define('URL', url.URL);
define('URLSearchParams', url.URLSearchParams);
define('TextEncoder', encoding.TextEncoder);
define('TextDecoder', encoding.TextDecoder);
define('atob', encoding.atob);
define('btoa', encoding.btoa);
for (const name of ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate']) {
  define(name, timers[name]);
}
if (typeof queueMicrotask === 'undefined') define('queueMicrotask', (work) => void Promise.resolve().then(work));
define('structuredClone', encoding.structuredClone);
define('fetch', fetching.fetch);
for (const name of ['Headers', 'Request', 'Response', 'FormData', 'Blob', 'AbortController', 'AbortSignal', 'DOMException', 'Event', 'EventTarget']) {
  define(name, fetching[name]);
}
define('crypto', require('crypto').webcrypto);
define('performance', { now: () => host.now(), timeOrigin: Date.now() });

const print = (level) => (...values) => host.log(level, format(...values));
const counts = new Map();
const started = new Map();
const log = print('info');
define('console', {
  log, info: log, debug: log, warn: print('warn'), error: print('error'), trace: print('error'),
  dir: (value) => log(value), table: log, group: log, groupCollapsed: log, groupEnd() {},
  assert: (good, ...values) => { if (!good) print('error')('Assertion failed', ...values); },
  count: (label = 'default') => { counts.set(label, (counts.get(label) || 0) + 1); log(`${label}: ${counts.get(label)}`); },
  time: (label = 'default') => started.set(label, host.now()),
  timeEnd: (label = 'default') => log(`${label}: ${(host.now() - (started.get(label) || 0)).toFixed(3)}ms`),
  timeLog: (label = 'default') => log(`${label}: ${(host.now() - (started.get(label) || 0)).toFixed(3)}ms`),
});
