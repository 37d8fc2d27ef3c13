// Buffer on Uint8Array.
'use strict';
const normal = (encoding) => {
  const name = String(encoding === undefined || encoding == null || encoding === '' ? 'utf8' : encoding).toLowerCase();
  switch (name) {
    case 'utf8': case 'utf-8': return 'utf8';
    case 'hex': case 'base64': case 'base64url': case 'ascii': return name;
    case 'latin1': case 'binary': return 'latin1';
    case 'ucs2': case 'ucs-2': case 'utf16le': case 'utf-16le': return 'utf16le';
    default: { const error = new TypeError(`Unknown encoding: ${encoding}`); error.code = 'ERR_UNKNOWN_ENCODING'; throw error; }
  }
};
function encode(text, encoding) {
  switch (normal(encoding)) {
    case 'utf8': return host.utf8(text.toWellFormed());
    case 'hex': {
      const clean = text.length % 2 ? text.slice(0, -1) : text;
      const out = [];
      for (let i = 0; i < clean.length; i += 2) {
        const byte = Number.parseInt(clean.slice(i, i + 2), 16);
        if (Number.isNaN(byte)) break;
        out.push(byte);
      }
      return Uint8Array.from(out);
    }
    case 'base64': case 'base64url': return host.unbase64(text);
    case 'utf16le': {
      const out = new Uint8Array(text.length * 2);
      for (let i = 0; i < text.length; i += 1) { const c = text.charCodeAt(i); out[2 * i] = c & 255; out[2 * i + 1] = c >> 8; }
      return out;
    }
    default: {
      const out = new Uint8Array(text.length);
      for (let i = 0; i < text.length; i += 1) out[i] = text.charCodeAt(i);
      return out;
    }
  }
}
function chars(bytes, mask) {
  let out = '';
  for (let i = 0; i < bytes.length; i += 1) out += String.fromCharCode(bytes[i] & mask);
  return out;
}
function decode(bytes, encoding) {
  switch (normal(encoding)) {
    case 'utf8': return host.text8(bytes, false);
    case 'hex': { let out = ''; for (const byte of bytes) out += (byte < 16 ? '0' : '') + byte.toString(16); return out; }
    case 'base64': return host.base64(bytes, false);
    case 'base64url': return host.base64(bytes, true);
    case 'utf16le': { let out = ''; for (let i = 0; i + 1 < bytes.length; i += 2) out += String.fromCharCode(bytes[i] | (bytes[i + 1] << 8)); return out; }
    case 'ascii': return chars(bytes, 127);
    default: return chars(bytes, 255);
  }
}
const view = (bytes) => new Buffer(bytes.buffer, bytes.byteOffset, bytes.length);

class Buffer extends Uint8Array {
  static poolSize = 8192;
  static from(value, encoding, length) {
    if (typeof value === 'string') return view(encode(value, encoding));
    if (value instanceof ArrayBuffer) return new Buffer(value, encoding || 0, length === undefined ? value.byteLength - (encoding || 0) : length);
    if (ArrayBuffer.isView(value)) { const out = new Buffer(value.length); out.set(value); return out; }
    if (value && value.type === 'Buffer' && Array.isArray(value.data)) value = value.data;
    if (value && typeof value === 'object' && typeof value.length === 'number') { const out = new Buffer(value.length); for (let i = 0; i < value.length; i += 1) out[i] = value[i]; return out; }
    if (value && typeof value[Symbol.toPrimitive] === 'function') return Buffer.from(value[Symbol.toPrimitive]('string'), encoding);
    if (value instanceof String) return Buffer.from(String(value), encoding);
    throw new TypeError(`The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object. Received ${value == null ? 'null' : `type ${typeof value}`}`);
  }
  static alloc(size, fill, encoding) { const out = new Buffer(size); return fill === undefined ? out : out.fill(fill, 0, size, encoding); }
  static allocUnsafe(size) { return new Buffer(size); }
  static allocUnsafeSlow(size) { return new Buffer(size); }
  static isBuffer(value) { return value instanceof Buffer; }
  static isEncoding(name) { try { normal(name); return typeof name === 'string'; } catch { return false; } }
  static byteLength(value, encoding) { return typeof value === 'string' ? encode(value, encoding).length : value.byteLength; }
  static compare(a, b) { return Buffer.prototype.compare.call(a, b); }
  static concat(list, total) {
    if (total === undefined) total = list.reduce((sum, one) => sum + one.length, 0);
    const out = new Buffer(total);
    let at = 0;
    for (const one of list) { if (at >= total) break; out.set(one.length > total - at ? one.subarray(0, total - at) : one, at); at += one.length; }
    return out;
  }
  get parent() { return this.buffer; }
  get offset() { return this.byteOffset; }
  toString(encoding, start = 0, end = this.length) { return decode(start === 0 && end >= this.length ? this : this.subarray(start, end), encoding); }
  toLocaleString(encoding) { return this.toString(encoding); }
  toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
  equals(other) { return this.length === other.length && this.every((byte, i) => byte === other[i]); }
  compare(other) {
    const most = Math.min(this.length, other.length);
    for (let i = 0; i < most; i += 1) if (this[i] !== other[i]) return this[i] < other[i] ? -1 : 1;
    return Math.sign(this.length - other.length);
  }
  slice(start, end) { return this.subarray(start, end); }
  subarray(start, end) { return view(Uint8Array.prototype.subarray.call(this, start, end)); }
  write(text, offset = 0, length, encoding) {
    if (typeof offset === 'string') [encoding, offset, length] = [offset, 0, undefined];
    if (typeof length === 'string') [encoding, length] = [length, undefined];
    const bytes = encode(text, encoding).subarray(0, Math.min(length ?? Infinity, this.length - offset));
    this.set(bytes, offset);
    return bytes.length;
  }
  copy(target, at = 0, start = 0, end = this.length) {
    const part = Uint8Array.prototype.subarray.call(this, start, Math.min(end, start + target.length - at));
    target.set(part, at);
    return part.length;
  }
  fill(value, start = 0, end = this.length, encoding) {
    if (typeof start === 'string') [encoding, start, end] = [start, 0, this.length];
    if (typeof value === 'number') return Uint8Array.prototype.fill.call(this, value, start, end);
    const bytes = typeof value === 'string' ? encode(value, encoding) : value;
    if (bytes.length === 0) return Uint8Array.prototype.fill.call(this, 0, start, end);
    for (let i = start; i < end; i += 1) this[i] = bytes[(i - start) % bytes.length];
    return this;
  }
  indexOf(value, from = 0, encoding) {
    if (typeof value === 'number') return Uint8Array.prototype.indexOf.call(this, value & 255, from);
    const bytes = typeof value === 'string' ? encode(value, encoding) : value;
    if (from < 0) from = Math.max(0, this.length + from);
    outer: for (let i = from; i + bytes.length <= this.length; i += 1) {
      for (let j = 0; j < bytes.length; j += 1) if (this[i + j] !== bytes[j]) continue outer;
      return i;
    }
    return -1;
  }
  includes(value, from, encoding) { return this.indexOf(value, from, encoding) >= 0; }
  swap16() { for (let i = 0; i + 1 < this.length; i += 2) [this[i], this[i + 1]] = [this[i + 1], this[i]]; return this; }
  readUIntBE(at, count) { let n = 0; for (let i = 0; i < count; i += 1) n = n * 256 + this[at + i]; return n; }
  readUIntLE(at, count) { let n = 0; for (let i = count - 1; i >= 0; i -= 1) n = n * 256 + this[at + i]; return n; }
  writeUIntBE(value, at, count) { for (let i = count - 1; i >= 0; i -= 1) { this[at + i] = value % 256; value = Math.floor(value / 256); } return at + count; }
  writeUIntLE(value, at, count) { for (let i = 0; i < count; i += 1) { this[at + i] = value % 256; value = Math.floor(value / 256); } return at + count; }
}
for (const [name, bytes, get, set] of [
  ['UInt8', 1, 'getUint8', 'setUint8'], ['Int8', 1, 'getInt8', 'setInt8'], ['UInt16', 2, 'getUint16', 'setUint16'],
  ['Int16', 2, 'getInt16', 'setInt16'], ['UInt32', 4, 'getUint32', 'setUint32'], ['Int32', 4, 'getInt32', 'setInt32'],
  ['Float', 4, 'getFloat32', 'setFloat32'], ['Double', 8, 'getFloat64', 'setFloat64'],
  ['BigUInt64', 8, 'getBigUint64', 'setBigUint64'], ['BigInt64', 8, 'getBigInt64', 'setBigInt64'],
]) {
  for (const order of bytes === 1 ? [''] : ['LE', 'BE']) {
    const little = order === 'LE';
    const reader = function (at = 0) { return new DataView(this.buffer, this.byteOffset, this.length)[get](at, little); };
    const writer = function (value, at = 0) { new DataView(this.buffer, this.byteOffset, this.length)[set](at, value, little); return at + bytes; };
    for (const spelled of [name, name.replace('UInt', 'Uint')]) {
      Buffer.prototype[`read${spelled}${order}`] = reader;
      Buffer.prototype[`write${spelled}${order}`] = writer;
    }
  }
}
// `Buffer('text')` and `new Buffer('text')` still occur in libraries.
const Callable = new Proxy(Buffer, {
  apply: (_, __, [value, encoding, length]) => (typeof value === 'number' ? Buffer.alloc(value) : Buffer.from(value, encoding, length)),
  construct: (target, args, caller) => (typeof args[0] === 'string' || Array.isArray(args[0]) ? Buffer.from(...args) : Reflect.construct(target, args, caller === Callable ? target : caller)),
});
Object.defineProperty(Buffer.prototype, 'constructor', { value: Callable, writable: true, configurable: true });
exports.Buffer = Callable;
exports.SlowBuffer = Callable;
exports.constants = { MAX_LENGTH: 0x7fffffff, MAX_STRING_LENGTH: 0x1fffffff };
exports.kMaxLength = 0x7fffffff;
exports.INSPECT_MAX_BYTES = 50;
exports.isUtf8 = (bytes) => host.text8(bytes, true) != null;
