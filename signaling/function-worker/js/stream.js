// Streams, in memory: what libraries build requests, hashes and bodies with.
'use strict';
const EventEmitter = require('events');
const later = (work) => void Promise.resolve().then(work);
class Stream extends EventEmitter {
  pipe(target, { end = true } = {}) {
    this.on('data', (chunk) => target.write(chunk));
    if (end) this.on('end', () => target.end());
    target.emit('pipe', this);
    return target;
  }
  unpipe() { return this; }
}
class Readable extends Stream {
  constructor(options = {}) {
    super();
    this.readable = true; this.destroyed = false; this.readableEnded = false; this.readableFlowing = null; this.readableObjectMode = !!options.objectMode;
    this._waiting = []; this._ended = false; this._encoding = options.encoding || null; this._reading = false;
    if (options.read) this._read = options.read;
    if (options.destroy) this._destroy = options.destroy;
  }
  static from(source) {
    const made = new Readable({ objectMode: true });
    (async () => { try { for await (const one of typeof source === 'string' || require('buffer').Buffer.isBuffer(source) ? [source] : source) made.push(one); made.push(null); } catch (error) { made.destroy(error); } })();
    return made;
  }
  _read() {}
  on(name, work) {
    super.on(name, work);
    if (name === 'data' && this.readableFlowing !== false) this.resume();
    if (name === 'readable') later(() => { this._pull(); if (this._waiting.length || this._ended) this.emit('readable'); });
    return this;
  }
  push(chunk, encoding) {
    if (chunk === null) { this._ended = true; later(() => this._flow()); if (this.listenerCount('readable')) later(() => this.emit('readable')); return false; }
    if (!this.readableObjectMode && typeof chunk === 'string') chunk = require('buffer').Buffer.from(chunk, encoding);
    this._waiting.push(chunk);
    if (this.readableFlowing) later(() => this._flow());
    else if (this.listenerCount('readable')) later(() => this.emit('readable'));
    return true;
  }
  setEncoding(encoding) { this._encoding = encoding; return this; }
  _text(chunk) { return this._encoding && typeof chunk !== 'string' ? chunk.toString(this._encoding) : chunk; }
  _pull() { if (!this._ended && !this.destroyed) this._read(16384); }
  _flow() {
    if (!this.readableFlowing || this.destroyed) return;
    while (this._waiting.length && this.readableFlowing) { this.emit('data', this._text(this._waiting.shift())); }
    if (this._ended && !this._waiting.length && !this.readableEnded) { this.readableEnded = true; this.readable = false; this.emit('end'); this.emit('close'); }
    else if (!this._ended && this.readableFlowing) this._pull();
  }
  read() {
    this._pull();
    if (!this._waiting.length) { if (this._ended && !this.readableEnded) { this.readableEnded = true; later(() => this.emit('end')); } return null; }
    if (this.readableObjectMode) return this._text(this._waiting.shift());
    const all = require('buffer').Buffer.concat(this._waiting.splice(0));
    return this._text(all);
  }
  resume() { if (!this.readableFlowing) { this.readableFlowing = true; later(() => this._flow()); } return this; }
  pause() { this.readableFlowing = false; return this; }
  isPaused() { return this.readableFlowing === false; }
  unshift(chunk) { this._waiting.unshift(chunk); }
  destroy(error) {
    if (this.destroyed) return this;
    this.destroyed = true;
    later(() => { if (error) this.emit('error', error); this.emit('close'); });
    return this;
  }
  async *[Symbol.asyncIterator]() {
    const queue = [];
    let wake = () => {};
    let [ended, failed] = [false, null];
    this.on('end', () => { ended = true; wake(); });
    this.on('error', (error) => { failed = error; wake(); });
    this.on('data', (chunk) => { queue.push(chunk); wake(); });
    while (true) {
      if (queue.length) { yield queue.shift(); continue; }
      if (failed) throw failed;
      if (ended) return;
      await new Promise((resolve) => { wake = resolve; });
    }
  }
}
const writing = {
  write(chunk, encoding, done) {
    if (typeof encoding === 'function') [encoding, done] = [undefined, encoding];
    if (!this.writableObjectMode && typeof chunk === 'string') chunk = require('buffer').Buffer.from(chunk, encoding);
    this._queue = (this._queue || Promise.resolve()).then(() => new Promise((next) => {
      this._write(chunk, 'buffer', (error) => { if (error) this.destroy(error); if (done) done(error); next(); });
    })).catch((error) => this.destroy(error));
    return true;
  },
  end(chunk, encoding, done) {
    if (typeof chunk === 'function') [chunk, done] = [undefined, chunk];
    if (typeof encoding === 'function') [encoding, done] = [undefined, encoding];
    if (chunk !== undefined && chunk !== null) this.write(chunk, encoding);
    this.writableEnded = true; this.writable = false;
    const final = () => { this.writableFinished = true; this.emit('finish'); if (done) done(); if (!(this instanceof Readable)) this.emit('close'); };
    (this._queue || Promise.resolve()).then(() => (this._final ? this._final(final) : final())).catch((error) => this.destroy(error));
    return this;
  },
  cork() {}, uncork() {}, setDefaultEncoding() { return this; },
};
class Writable extends Stream {
  constructor(options = {}) {
    super();
    this.writable = true; this.writableEnded = false; this.writableFinished = false; this.destroyed = false; this.writableObjectMode = !!options.objectMode;
    if (options.write) this._write = options.write;
    if (options.final) this._final = options.final;
  }
  _write(chunk, encoding, next) { next(); }
  destroy(error) { return Readable.prototype.destroy.call(this, error); }
}
class Duplex extends Readable {
  constructor(options = {}) {
    super(options);
    this.writable = true; this.writableEnded = false; this.writableFinished = false; this.writableObjectMode = !!(options.objectMode || options.writableObjectMode);
    if (options.write) this._write = options.write;
    if (options.final) this._final = options.final;
  }
  _write(chunk, encoding, next) { next(); }
}
for (const name of Object.keys(writing)) {
  for (const type of [Writable, Duplex]) Object.defineProperty(type.prototype, name, { value: writing[name], writable: true, configurable: true });
}
class Transform extends Duplex {
  constructor(options = {}) { super(options); if (options.transform) this._transform = options.transform; if (options.flush) this._flush = options.flush; }
  _transform(chunk, encoding, next) { next(null, chunk); }
  _write(chunk, encoding, next) { this._transform(chunk, encoding, (error, made) => { if (made !== undefined && made !== null) this.push(made); next(error); }); }
  _final(done) { const over = () => { this.push(null); done(); }; if (this._flush) this._flush((error, made) => { if (made) this.push(made); if (error) this.destroy(error); over(); }); else over(); }
}
class PassThrough extends Transform {}
function finished(stream, options, done) {
  if (typeof options === 'function') done = options;
  let over = false;
  const end = (error) => { if (!over) { over = true; done(error); } };
  for (const name of ['end', 'finish', 'close']) stream.on(name, () => end());
  stream.on('error', end);
  return () => {};
}
function pipeline(...all) {
  const done = typeof all[all.length - 1] === 'function' ? all.pop() : () => {};
  const streams = all.flat();
  for (const one of streams) one.on('error', done);
  streams.reduce((from, to) => from.pipe(to));
  finished(streams[streams.length - 1], (error) => done(error));
  return streams[streams.length - 1];
}
// `Stream.call(this)` of code older than classes.
const callable = (type) => {
  const made = function (...args) { if (new.target) return Reflect.construct(type, args, new.target === made ? type : new.target); Object.assign(this, new type(...args)); return undefined; };
  made.prototype = type.prototype;
  Object.setPrototypeOf(made, type);
  return made;
};
module.exports = Object.assign(callable(Stream), {
  Stream: callable(Stream), Readable: callable(Readable), Writable: callable(Writable), Duplex: callable(Duplex), Transform: callable(Transform), PassThrough: callable(PassThrough), finished, pipeline,
  promises: { pipeline: (...all) => new Promise((resolve, reject) => pipeline(...all, (error) => (error ? reject(error) : resolve()))), finished: (stream) => new Promise((resolve, reject) => finished(stream, (error) => (error ? reject(error) : resolve()))) },
});
