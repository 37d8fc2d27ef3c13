// Text and bytes, as browsers and Node spell it.
'use strict';
class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(text = '') { return host.utf8(String(text).toWellFormed()); }
  encodeInto(text, into) {
    const bytes = this.encode(text).subarray(0, into.length);
    into.set(bytes);
    return { read: text.length, written: bytes.length };
  }
}
const bytesOf = (input) =>
  input === undefined ? new Uint8Array(0)
    : input instanceof Uint8Array ? input
    : ArrayBuffer.isView(input) ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength) : new Uint8Array(input);
class TextDecoder {
  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    this.encoding = String(label).toLowerCase() === 'utf8' ? 'utf-8' : String(label).toLowerCase();
    if (!['utf-8', 'latin1', 'iso-8859-1', 'ascii', 'us-ascii', 'windows-1252', 'utf-16le'].includes(this.encoding)) {
      throw new RangeError(`The "${label}" encoding is not supported`);
    }
    [this.fatal, this.ignoreBOM] = [fatal, ignoreBOM];
  }
  decode(input) {
    const bytes = bytesOf(input);
    if (this.encoding === 'utf-8') {
      const text = host.text8(bytes, this.fatal);
      if (text == null) throw new TypeError('The encoded data was not valid for encoding utf-8');
      return !this.ignoreBOM && text.startsWith('\uFEFF') ? text.slice(1) : text;
    }
    const { Buffer } = require('buffer');
    return Buffer.from(bytes).toString(this.encoding === 'utf-16le' ? 'utf16le' : 'latin1');
  }
}
function structuredClone(value, seen = new Map()) {
  if (typeof value === 'function' || typeof value === 'symbol') throw new TypeError('value could not be cloned');
  if (value === null || typeof value !== 'object') return value;
  if (seen.has(value)) return seen.get(value);
  const keep = (copy) => { seen.set(value, copy); return copy; };
  if (value instanceof Date) return keep(new Date(value));
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (ArrayBuffer.isView(value)) return keep(value.slice());
  if (value instanceof Map) { const copy = keep(new Map()); for (const [k, v] of value) copy.set(structuredClone(k, seen), structuredClone(v, seen)); return copy; }
  if (value instanceof Set) { const copy = keep(new Set()); for (const v of value) copy.add(structuredClone(v, seen)); return copy; }
  if (value instanceof Error) { const copy = keep(new value.constructor(value.message)); copy.stack = value.stack; return copy; }
  const copy = keep(Array.isArray(value) ? [] : {});
  for (const key of Object.keys(value)) copy[key] = structuredClone(value[key], seen);
  return copy;
}
exports.TextEncoder = TextEncoder;
exports.TextDecoder = TextDecoder;
exports.bytesOf = bytesOf;
exports.structuredClone = (value) => structuredClone(value);
exports.btoa = (text) => {
  text = String(text);
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) > 255) throw new Error('Invalid character');
  return host.base64(Uint8Array.from(text, (c) => c.charCodeAt(0)), false);
};
exports.atob = (text) => {
  const bytes = host.unbase64(String(text));
  let out = '';
  for (let i = 0; i < bytes.length; i += 1) out += String.fromCharCode(bytes[i]);
  return out;
};
