// `process`, as far as libraries look at it.
'use strict';
const EventEmitter = require('events');
const it = Object.create(EventEmitter.prototype);
EventEmitter.call(it);
Object.assign(it, {
  env: {}, argv: ['node', '/app'], execArgv: [], pid: 1, ppid: 0, platform: 'linux', arch: 'x64', title: 'function',
  version: 'v22.0.0', versions: { node: '22.0.0', v8: '0.0.0', quickjs: host.engine }, release: { name: 'node' },
  features: {}, config: {}, exitCode: undefined,
  cwd: () => '/app', umask: () => 0o22, uptime: () => host.now() / 1000,
  nextTick: (work, ...args) => void Promise.resolve().then(() => work(...args)),
  hrtime: Object.assign((since) => {
    const now = host.now();
    let [s, ns] = [Math.floor(now / 1000), Math.floor((now % 1000) * 1e6)];
    if (since) { s -= since[0]; ns -= since[1]; if (ns < 0) { s -= 1; ns += 1e9; } }
    return [s, ns];
  }, { bigint: () => BigInt(Math.floor(host.now() * 1e6)) }),
  memoryUsage: Object.assign(() => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }), { rss: () => 0 }),
  emitWarning: (text) => host.log('warn', String(text)),
  exit: (code) => { throw new Error(`process.exit(${code ?? ''}) is not available to functions`); },
  binding: () => { throw new Error('process.binding is not available to functions'); },
  stdout: { isTTY: false, write: (text) => { host.log('info', String(text).replace(/\n$/, '')); return true; } },
  stderr: { isTTY: false, write: (text) => { host.log('error', String(text).replace(/\n$/, '')); return true; } },
  stdin: { isTTY: false },
});
Object.defineProperty(it, Symbol.toStringTag, { value: 'process', configurable: true });
module.exports = it;
