'use strict';
const { inspect, isDeepStrictEqual } = require('util');
class AssertionError extends Error {
  constructor({ message, actual, expected, operator }) {
    super(message);
    Object.assign(this, { name: 'AssertionError', code: 'ERR_ASSERTION', actual, expected, operator });
  }
}
function check(good, message, actual, expected, operator) {
  if (good) return;
  if (message instanceof Error) throw message;
  throw new AssertionError({ message: message || `${inspect(actual)} ${operator} ${inspect(expected)}`, actual, expected, operator });
}
const assert = (value, message) => check(value, message, value, true, '==');
Object.assign(assert, {
  AssertionError, ok: assert,
  equal: (a, b, message) => check(a == b, message, a, b, '=='),
  notEqual: (a, b, message) => check(a != b, message, a, b, '!='),
  strictEqual: (a, b, message) => check(Object.is(a, b), message, a, b, 'strictEqual'),
  notStrictEqual: (a, b, message) => check(!Object.is(a, b), message, a, b, 'notStrictEqual'),
  deepEqual: (a, b, message) => check(isDeepStrictEqual(a, b), message, a, b, 'deepEqual'),
  deepStrictEqual: (a, b, message) => check(isDeepStrictEqual(a, b), message, a, b, 'deepStrictEqual'),
  notDeepStrictEqual: (a, b, message) => check(!isDeepStrictEqual(a, b), message, a, b, 'notDeepStrictEqual'),
  fail: (message = 'Failed') => check(false, message, undefined, undefined, 'fail'),
  throws(work, message) { let threw = false; try { work(); } catch { threw = true; } check(threw, typeof message === 'string' ? message : 'Missing expected exception.'); },
  match: (text, pattern, message) => check(pattern.test(text), message, text, pattern, 'match'),
});
assert.strict = assert;
module.exports = assert;
