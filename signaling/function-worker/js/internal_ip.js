'use strict';
exports.isIP = (text) => {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return text.split('.').every((part) => Number(part) < 256) ? 4 : 0;
  return /^[0-9a-f:.]+$/i.test(text) && text.includes(':') && host.url(`http://[${text}]/`, null) != null ? 6 : 0;
};
