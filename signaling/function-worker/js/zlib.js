'use strict';
const { Buffer } = require('buffer');
const { Transform } = require('stream');
const bytes = (value) => (typeof value === 'string' ? Buffer.from(value) : Buffer.from(value));
const kinds = { gzip: 'gzip', gunzip: 'gunzip', deflate: 'deflate', inflate: 'inflate', deflateRaw: 'deflateRaw', inflateRaw: 'inflateRaw', unzip: 'gunzip' };
for (const [name, kind] of Object.entries(kinds)) {
  const sync = (data) => { const made = host.zlib(kind, bytes(data)); if (made == null) throw Object.assign(new Error('incorrect header check'), { code: 'Z_DATA_ERROR', errno: -3 }); return Buffer.from(made); };
  exports[`${name}Sync`] = sync;
  exports[name] = (data, options, callback) => {
    if (typeof options === 'function') callback = options;
    let [error, made] = [null, undefined];
    try { made = sync(data); } catch (caught) { error = caught; }
    setTimeout(() => callback(error, made), 0);
  };
  const title = name[0].toUpperCase() + name.slice(1);
  exports[`create${title}`] = () => {
    const parts = [];
    return new Transform({ transform(chunk, _, next) { parts.push(chunk); next(); }, flush(next) { try { next(null, sync(Buffer.concat(parts))); } catch (error) { next(error); } } });
  };
}
exports.constants = { Z_SYNC_FLUSH: 2, Z_FINISH: 4, BROTLI_OPERATION_FLUSH: 1, BROTLI_OPERATION_FINISH: 2 };
