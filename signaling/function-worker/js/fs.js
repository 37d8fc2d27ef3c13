// Files: those that were deployed, to read. Nothing is written, because there is no disk.
'use strict';
const { Buffer } = require('buffer');
const failure = (code, call, path) => Object.assign(new Error(`${code}: ${code === 'ENOENT' ? 'no such file or directory' : 'read-only file system'}, ${call} '${path}'`), { code, syscall: call, path: String(path), errno: code === 'ENOENT' ? -2 : -30 });
const plain = (path) => require('path').resolve(path instanceof URL ? path.pathname : String(path));
function readFileSync(path, options) {
  const encoding = typeof options === 'string' ? options : options && options.encoding;
  const found = host.bytes(plain(path));
  if (found == null) throw failure('ENOENT', 'open', path);
  const made = Buffer.from(found);
  return encoding ? made.toString(encoding) : made;
}
const existsSync = (path) => host.isFile(plain(path)) || host.isFolder(plain(path));
function statSync(path, options) {
  const at = plain(path);
  const [file, folder] = [host.isFile(at), host.isFolder(at)];
  if (!file && !folder) { if (options && options.throwIfNoEntry === false) return undefined; throw failure('ENOENT', 'stat', path); }
  const epoch = new Date(0);
  return { isFile: () => file, isDirectory: () => !file, isSymbolicLink: () => false, size: file ? host.bytes(at).length : 0, mode: 0o444, mtime: epoch, ctime: epoch, atime: epoch, birthtime: epoch, mtimeMs: 0 };
}
const readdirSync = (path) => { const at = plain(path); if (!host.isFolder(at)) throw failure('ENOENT', 'scandir', path); return host.list(at); };
const accessSync = (path) => { if (!existsSync(path)) throw failure('ENOENT', 'access', path); };
const reads = { readFile: readFileSync, stat: statSync, lstat: statSync, readdir: readdirSync, access: accessSync, realpath: plain };
const writes = ['writeFile', 'appendFile', 'mkdir', 'mkdtemp', 'rename', 'unlink', 'rm', 'rmdir', 'copyFile', 'chmod', 'open', 'truncate', 'symlink'];
const all = { ...reads };
for (const name of writes) all[name] = (path) => { throw failure('EROFS', name.replace('writeFile', 'open'), path); };
exports.promises = {};
for (const [name, work] of Object.entries(all)) {
  exports[`${name}Sync`] = work;
  exports.promises[name] = async (...args) => work(...args);
  exports[name] = (...args) => {
    const callback = args.pop();
    let [error, value] = [null, undefined];
    try { value = work(...args); } catch (caught) { error = caught; }
    setTimeout(() => callback(error, value), 0);
  };
}
exports.existsSync = existsSync;
exports.exists = (path, callback) => void setTimeout(() => callback(existsSync(path)), 0);
exports.createReadStream = (path) => require('stream').Readable.from([readFileSync(path)]);
exports.createWriteStream = (path) => { throw failure('EROFS', 'open', path); };
exports.constants = { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 };
