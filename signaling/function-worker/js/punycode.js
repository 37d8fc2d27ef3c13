'use strict';
exports.toASCII = (name) => require('url').domainToASCII(name);
exports.toUnicode = (name) => name;
exports.ucs2 = { decode: (text) => Array.from(text, (c) => c.codePointAt(0)), encode: (points) => String.fromCodePoint(...points) };
