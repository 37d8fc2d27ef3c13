'use strict';
const custom = Symbol.for('nodejs.util.inspect.custom');
const isIdentifier = (key) => /^[A-Za-z_$][\w$]*$/.test(key);
const quote = (text) => {
  const q = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes('`') ? '`' : "'";
  return q + text.replace(/[\\\n\r\t]/g, (c) => ({ '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' })[c]).replaceAll(q === "'" ? "'" : '\0', q === "'" ? "\\'" : '\0') + q;
};
function scalar(value) {
  switch (typeof value) {
    case 'string': return quote(value);
    case 'number': return Object.is(value, -0) ? '-0' : String(value);
    case 'bigint': return `${value}n`;
    case 'symbol': return value.toString();
    case 'function': {
      const kind = /^class\b/.test(Function.prototype.toString.call(value)) ? 'class' : value.constructor ? value.constructor.name : 'Function';
      return kind === 'class' ? `[class ${value.name || '(anonymous)'}]` : `[${kind}${value.name ? `: ${value.name}` : ' (anonymous)'}]`;
    }
    default: return String(value);
  }
}
function entries(value, depth, seen, options) {
  const show = (one) => text(one, depth + 1, seen, options);
  const out = [];
  if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))) {
    const most = Math.min(value.length, 100);
    let holes = 0;
    const flush = () => { if (holes) out.push(`<${holes} empty item${holes > 1 ? 's' : ''}>`); holes = 0; };
    for (let i = 0; i < most; i += 1) { if (i in value) { flush(); out.push(show(value[i])); } else holes += 1; }
    flush();
    if (value.length > most) out.push(`... ${value.length - most} more item${value.length - most > 1 ? 's' : ''}`);
  } else if (value instanceof Map) for (const [k, v] of value) out.push(`${show(k)} => ${show(v)}`);
  else if (value instanceof Set) for (const v of value) out.push(show(v));
  const skip = Array.isArray(value) || ArrayBuffer.isView(value);
  for (const key of Reflect.ownKeys(value)) {
    const described = Object.getOwnPropertyDescriptor(value, key);
    if (!described.enumerable || (skip && typeof key === 'string' && /^\d+$/.test(key))) continue;
    const name = typeof key === 'symbol' ? `[${key.toString()}]` : isIdentifier(key) ? key : quote(key);
    const shown = described.get ? (described.set ? '[Getter/Setter]' : '[Getter]') : described.set ? '[Setter]' : show(described.value);
    out.push(`${name}: ${shown}`);
  }
  return out;
}
function text(value, depth, seen, options) {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return scalar(value);
  if (typeof value[custom] === 'function' && options.customInspect !== false) {
    const made = value[custom](options.depth - depth, options, inspect);
    return typeof made === 'string' ? made : text(made, depth, seen, options);
  }
  if (seen.includes(value)) return '[Circular *1]';
  const proto = Object.getPrototypeOf(value);
  const name = proto === null ? 'Object' : (proto.constructor && proto.constructor.name) || 'Object';
  if (value instanceof Error) {
    const extra = entries(value, depth, [...seen, value], options);
    const stack = value.stack && value.stack.includes(value.message) ? value.stack.trimEnd() : `${value}\n${(value.stack || '').trimEnd()}`;
    return extra.length ? `${stack} {\n  ${extra.join(',\n  ')}\n}` : stack.trimEnd();
  }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof RegExp) return value.toString();
  if (value instanceof Promise) return 'Promise { <pending> }';
  if (require('buffer').Buffer.isBuffer(value)) {
    return `<Buffer${[...value.subarray(0, 50)].map((b) => ` ${b.toString(16).padStart(2, '0')}`).join('')}${value.length > 50 ? ` ... ${value.length - 50} more bytes` : ''}>`;
  }
  if (depth > options.depth) return Array.isArray(value) ? '[Array]' : `[${name}]`;
  const parts = entries(value, depth, [...seen, value], options);
  const list = Array.isArray(value) || ArrayBuffer.isView(value);
  let head = '';
  if (typeof value === 'function') head = scalar(value);
  else if (value instanceof Map || value instanceof Set) head = `${name}(${value.size})`;
  else if (ArrayBuffer.isView(value) || (Array.isArray(value) && name !== 'Array')) head = `${name}(${value.length})`;
  else if (proto === null) head = '[Object: null prototype]';
  else if (name !== 'Object' && name !== 'Array') head = name;
  if (parts.length === 0 && typeof value === 'function') return head;
  const [open, close] = list ? ['[', ']'] : ['{', '}'];
  const lead = head ? `${head} ` : '';
  if (parts.length === 0) return `${lead}${open}${close}`;
  const flat = `${lead}${open} ${parts.join(', ')} ${close}`;
  if (flat.length <= 76 && !flat.includes('\n') && (list ? parts.length <= 6 : true)) return flat;
  return `${lead}${open}\n${parts.map((one) => `  ${one.replaceAll('\n', '\n  ')}`).join(',\n')}\n${close}`;
}
function inspect(value, options) {
  const given = typeof options === 'object' && options ? options : {};
  const depth = given.depth === null ? Infinity : given.depth ?? 2;
  return text(value, 0, [], { ...given, depth, stylize: (one) => String(one) });
}
inspect.custom = custom;
inspect.defaultOptions = {};

function format(...args) {
  if (typeof args[0] !== 'string') return args.map((one) => (typeof one === 'string' ? one : inspect(one))).join(' ');
  let at = 1;
  const head = args[0].replace(/%[sdifjoOc%]/g, (mark) => {
    if (mark === '%%') return args.length > 1 ? '%' : mark;
    if (at >= args.length) return mark;
    const value = args[at];
    at += 1;
    switch (mark) {
      case '%s': return typeof value === 'string' ? value : typeof value === 'object' && value !== null ? inspect(value, { depth: 0 }) : scalar(value).replace(/^'(.*)'$/s, '$1');
      case '%d': return typeof value === 'bigint' ? `${value}n` : String(typeof value === 'object' ? NaN : Number(value));
      case '%i': return String(parseInt(value, 10));
      case '%f': return String(parseFloat(value));
      case '%j': try { return JSON.stringify(value); } catch { return '[Circular]'; }
      case '%c': return '';
      default: return inspect(value);
    }
  });
  return [head, ...args.slice(at).map((one) => (typeof one === 'string' ? one : inspect(one)))].join(' ');
}

function isDeepStrictEqual(a, b) {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Date) return a.getTime() === b.getTime();
  if (a instanceof RegExp) return String(a) === String(b);
  if (a instanceof Map || a instanceof Set) return a.size === b.size && isDeepStrictEqual([...a], [...b]);
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isDeepStrictEqual(a[key], b[key]));
}
function promisify(work) {
  if (work[promisify.custom]) return work[promisify.custom];
  return function (...args) {
    return new Promise((resolve, reject) => work.call(this, ...args, (error, value) => (error ? reject(error) : resolve(value))));
  };
}
promisify.custom = Symbol.for('nodejs.util.promisify.custom');
const tagged = (tag) => (value) => Object.prototype.toString.call(value) === `[object ${tag}]`;
const { TextEncoder, TextDecoder } = require('internal_encoding');
module.exports = {
  inspect, format, isDeepStrictEqual, promisify, TextEncoder, TextDecoder,
  formatWithOptions: (_, ...args) => format(...args),
  callbackify: (work) => (...args) => { const callback = args.pop(); work(...args).then((value) => callback(null, value), callback); },
  inherits(child, parent) {
    Object.defineProperty(child, 'super_', { value: parent, writable: true, configurable: true });
    Object.setPrototypeOf(child.prototype, parent.prototype);
  },
  deprecate: (work) => work, debuglog: () => Object.assign(() => {}, { enabled: false }), debug: () => () => {},
  toUSVString: (text) => String(text).toWellFormed(), stripVTControlCharacters: (text) => text.replace(/\u001b\[[0-9;]*m/g, ''),
  isArray: Array.isArray, isBoolean: (v) => typeof v === 'boolean', isString: (v) => typeof v === 'string', isNumber: (v) => typeof v === 'number',
  isFunction: (v) => typeof v === 'function', isObject: (v) => v !== null && typeof v === 'object', isUndefined: (v) => v === undefined,
  isNull: (v) => v === null, isRegExp: (v) => v instanceof RegExp, isDate: (v) => v instanceof Date, isError: (v) => v instanceof Error,
  isNullOrUndefined: (v) => v == null, isSymbol: (v) => typeof v === 'symbol', isPrimitive: (v) => v === null || !/object|function/.test(typeof v),
  types: {
    isDate: (v) => v instanceof Date, isRegExp: (v) => v instanceof RegExp, isNativeError: (v) => v instanceof Error, isPromise: (v) => v instanceof Promise,
    isMap: tagged('Map'), isSet: tagged('Set'), isTypedArray: (v) => ArrayBuffer.isView(v) && !(v instanceof DataView), isArrayBuffer: tagged('ArrayBuffer'),
    isAnyArrayBuffer: (v) => v instanceof ArrayBuffer, isUint8Array: (v) => v instanceof Uint8Array, isAsyncFunction: tagged('AsyncFunction'),
    isGeneratorFunction: tagged('GeneratorFunction'), isProxy: () => false, isBoxedPrimitive: (v) => v instanceof Number || v instanceof String || v instanceof Boolean,
    isSymbolObject: tagged('Symbol'), isArrayBufferView: ArrayBuffer.isView,
  },
};
