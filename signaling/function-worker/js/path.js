'use strict';
function parts(path, absolute) {
  const out = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (out.length && out[out.length - 1] !== '..') out.pop();
      else if (!absolute) out.push('..');
    } else out.push(part);
  }
  return out;
}
const it = {
  sep: '/', delimiter: ':',
  isAbsolute: (path) => path.startsWith('/'),
  normalize(path) {
    const absolute = path.startsWith('/');
    let text = parts(path, absolute).join('/');
    if (text && path.endsWith('/')) text += '/';
    return absolute ? '/' + text : text || '.';
  },
  join: (...all) => { const given = all.filter((one) => one !== ''); return given.length ? it.normalize(given.join('/')) : '.'; },
  resolve(...all) {
    let path = '';
    for (const one of all.reverse().concat('/app')) {
      if (one === '') continue;
      path = path === '' ? one : `${one}/${path}`;
      if (one.startsWith('/')) break;
    }
    return '/' + parts(path, true).join('/');
  },
  dirname(path) {
    const trimmed = path.replace(/\/+$/, '');
    const at = trimmed.lastIndexOf('/');
    if (at < 0) return path.startsWith('/') ? '/' : '.';
    return at === 0 ? '/' : trimmed.slice(0, at);
  },
  basename(path, end) {
    const name = path.replace(/\/+$/, '').split('/').pop();
    return end && name !== end && name.endsWith(end) ? name.slice(0, -end.length) : name;
  },
  extname(path) {
    const name = it.basename(path);
    const at = name.lastIndexOf('.');
    return at > 0 ? name.slice(at) : '';
  },
  relative(from, to) {
    const [a, b] = [parts(it.resolve(from), true), parts(it.resolve(to), true)];
    let same = 0;
    while (same < a.length && same < b.length && a[same] === b[same]) same += 1;
    return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('/');
  },
  parse(path) {
    const [base, ext] = [it.basename(path), it.extname(path)];
    const root = path.startsWith('/') ? '/' : '';
    const dir = path.includes('/') ? it.dirname(path) : '';
    return { root, dir, base, ext, name: ext ? base.slice(0, -ext.length) : base };
  },
  format: ({ dir, root, base, name, ext }) => {
    const file = base || (name || '') + (ext || '');
    const folder = dir || root;
    return folder ? (folder === root ? folder + file : `${folder}/${file}`) : file;
  },
  toNamespacedPath: (path) => path,
};
it.posix = it;
it.win32 = it;
module.exports = it;
