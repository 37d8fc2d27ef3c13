// Modules that functions cannot have: loading one works, because libraries load what they never use. Using it says so.
'use strict';
const { isIP } = require('internal_ip');
module.exports = new Proxy({ isIP, isIPv4: (text) => isIP(text) === 4, isIPv6: (text) => isIP(text) === 6, constants: {} }, {
  get(target, name) {
    if (name in target || typeof name === 'symbol' || name === '__esModule' || name === 'default') return target[name];
    return function () { throw Object.assign(new Error(`${String(name)} of this module is not available to functions`), { code: 'ERR_NOT_AVAILABLE' }); };
  },
});
