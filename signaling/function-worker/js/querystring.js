'use strict';
exports.escape = (text) => encodeURIComponent(text);
exports.unescape = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
const primitive = (value) =>
  typeof value === 'string' ? value : typeof value === 'number' && isFinite(value) ? '' + value
    : typeof value === 'boolean' || typeof value === 'bigint' ? '' + value : '';
exports.stringify = exports.encode = (object, sep = '&', eq = '=', options) => {
  const escape = (options && options.encodeURIComponent) || exports.escape;
  if (object === null || typeof object !== 'object') return '';
  return Object.keys(object).map((key) => {
    const values = Array.isArray(object[key]) ? object[key] : [object[key]];
    return values.map((value) => escape(primitive(key)) + eq + escape(primitive(value))).join(sep);
  }).filter(Boolean).join(sep);
};
exports.parse = exports.decode = (text, sep = '&', eq = '=', options) => {
  const out = Object.create(null);
  if (typeof text !== 'string' || text === '') return out;
  const unescape = (options && options.decodeURIComponent) || exports.unescape;
  for (const pair of text.split(sep)) {
    if (pair === '') continue;
    const at = pair.indexOf(eq);
    const [key, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + eq.length)];
    const [k, v] = [key, value].map((one) => unescape(one.replaceAll('+', ' ')));
    if (!(k in out)) out[k] = v;
    else if (Array.isArray(out[k])) out[k].push(v);
    else out[k] = [out[k], v];
  }
  return out;
};
