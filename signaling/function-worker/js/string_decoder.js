'use strict';
const { Buffer } = require('buffer');
exports.StringDecoder = class StringDecoder {
  constructor(encoding = 'utf8') { this.encoding = encoding; this.held = Buffer.alloc(0); }
  write(chunk) {
    let bytes = Buffer.concat([this.held, Buffer.from(chunk)]);
    let keep = 0;
    if (/^utf-?8$/i.test(this.encoding)) {
      // The start of a character whose rest has not come.
      for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
        const byte = bytes[bytes.length - back];
        if (byte >= 0xc0) { if ((byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back) keep = back; break; }
        if (byte < 0x80) break;
      }
    }
    this.held = Buffer.from(bytes.subarray(bytes.length - keep));
    return bytes.subarray(0, bytes.length - keep).toString(this.encoding);
  }
  end(chunk) {
    const text = (chunk ? this.write(chunk) : '') + this.held.toString(this.encoding);
    this.held = Buffer.alloc(0);
    return text;
  }
};
