'use strict';
const { Buffer } = require('buffer');
const Transform = require('stream').Transform;
const bytes = (value, encoding) => (typeof value === 'string' ? Buffer.from(value, encoding) : Buffer.from(require('internal_encoding').bytesOf(value)));
const out = (value, encoding) => { const made = Buffer.from(value); return encoding && encoding !== 'buffer' ? made.toString(encoding) : made; };
const known = (name) => {
  const plain = String(name).toLowerCase().replace(/^rsa-/, '').replace('-', '');
  if (!['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'].includes(plain)) throw new Error('Digest method not supported');
  return plain;
};
class Digest extends Transform {
  constructor(finish) { super(); this.finish = finish; this.parts = []; this.done = false; }
  update(data, encoding) { if (this.done) throw new Error('Digest already called'); this.parts.push(bytes(data, encoding)); return this; }
  digest(encoding) { if (this.done) throw new Error('Digest already called'); this.done = true; return out(this.finish(Buffer.concat(this.parts)), encoding); }
  copy() { const twin = new Digest(this.finish); twin.parts = [...this.parts]; return twin; }
  _transform(chunk, encoding, next) { this.update(chunk, encoding); next(); }
  _flush(next) { this.push(this.digest()); next(); }
}
const createHash = (name) => { const algorithm = known(name); return new Digest((data) => host.hash(algorithm, data)); };
const createHmac = (name, key) => { const [algorithm, secret] = [known(name), keyBytes(key)]; return new Digest((data) => host.hmac(algorithm, secret, data)); };
const keyBytes = (key) => (key instanceof KeyObject ? key.data : bytes(key && key.key !== undefined ? key.key : key));
class KeyObject { constructor(data) { this.type = 'secret'; this.data = data; } export() { return Buffer.from(this.data); } get symmetricKeySize() { return this.data.length; } }
const randomBytes = (size, callback) => { const made = Buffer.from(host.random(size)); return callback ? void setTimeout(() => callback(null, made), 0) : made; };
const randomUUID = () => {
  const b = randomBytes(16);
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  return b.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
};
const getRandomValues = (into) => { new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(host.random(into.byteLength)); return into; };
const absent = (name) => () => { throw new Error(`crypto.${name} is not available to functions`); };
function randomInt(low, high, callback) {
  if (high === undefined || typeof high === 'function') [low, high, callback] = [0, low, high];
  const value = low + Math.floor((randomBytes(6).readUIntBE(0, 6) / 2 ** 48) * (high - low));
  return callback ? void setTimeout(() => callback(null, value), 0) : value;
}
function pbkdf2Sync(password, salt, rounds, length, digest) {
  const made = [];
  for (let block = 1; made.length * 16 < length + 64; block += 1) {
    const index = Buffer.alloc(4);
    index.writeUInt32BE(block);
    let last = host.hmac(known(digest), bytes(password), Buffer.concat([bytes(salt), index]));
    const sum = Buffer.from(last);
    for (let i = 1; i < rounds; i += 1) { last = host.hmac(known(digest), bytes(password), last); for (let j = 0; j < sum.length; j += 1) sum[j] ^= last[j]; }
    made.push(sum);
    if (Buffer.concat(made).length >= length) break;
  }
  return Buffer.concat(made).subarray(0, length);
}
module.exports = {
  createHash, createHmac, randomBytes, randomUUID, randomInt, pbkdf2Sync, KeyObject, getRandomValues, Hash: Digest, Hmac: Digest,
  pseudoRandomBytes: randomBytes, randomFillSync: getRandomValues,
  pbkdf2: (password, salt, rounds, length, digest, callback) => void setTimeout(() => callback(null, pbkdf2Sync(password, salt, rounds, length, digest)), 0),
  hash: (name, data, encoding = 'hex') => createHash(name).update(data).digest(encoding),
  getHashes: () => ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'], getCiphers: () => [], getCurves: () => [],
  timingSafeEqual(a, b) {
    if (a.byteLength !== b.byteLength) throw Object.assign(new RangeError('Input buffers must have the same byte length'), { code: 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH' });
    let differ = 0;
    for (let i = 0; i < a.length; i += 1) differ |= a[i] ^ b[i];
    return differ === 0;
  },
  createSecretKey: (key, encoding) => new KeyObject(bytes(key, encoding)),
  // jsonwebtoken tries both first and takes a failure for a shared secret.
  createPrivateKey: absent('createPrivateKey'), createPublicKey: absent('createPublicKey'),
  createSign: absent('createSign'), createVerify: absent('createVerify'), createCipheriv: absent('createCipheriv'), createDecipheriv: absent('createDecipheriv'),
  scryptSync: absent('scryptSync'), generateKeyPairSync: absent('generateKeyPairSync'), publicEncrypt: absent('publicEncrypt'), privateDecrypt: absent('privateDecrypt'),
  constants: { RSA_PKCS1_PADDING: 1, RSA_PKCS1_PSS_PADDING: 6, RSA_PSS_SALTLEN_DIGEST: -1 },
  webcrypto: {
    getRandomValues, randomUUID,
    subtle: { digest: async (name, data) => { const made = host.hash(known(name.name || name), bytes(data)); return made.buffer.slice(made.byteOffset, made.byteOffset + made.byteLength); } },
  },
};
